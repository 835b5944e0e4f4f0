"""The archive's database as one process opens it: once, when it is first needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helperhub.archive.database import Database


class ArchiveAccess:
    """One process's way to the archive."""

    def __init__(self, url: str, *, enabled: bool) -> None:
        """Use the database at ``url``, if an archive is wanted at all."""
        self.url = url
        self.enabled = enabled
        self._lock = threading.Lock()
        self._database: Database | None = None

    @property
    def database(self) -> Database | None:
        """The database; None where no archive is wanted, or none was made on this machine yet.

        Raises:
            ConfigurationError: Its driver isn't installed.
        """
        if not self.enabled:
            return None
        database = self.open()
        return None if database.path is not None and not database.path.exists() else database

    def open(self) -> Database:
        """Return the database, whether it was made or not.

        Raises:
            ConfigurationError: Its driver isn't installed.
        """
        from helperhub.archive.database import Database  # noqa: PLC0415 - costs 0.2 s, and most processes need none

        with self._lock:
            if self._database is None:
                self._database = Database(self.url)
            return self._database

    def close(self) -> None:
        """Close its connections."""
        if self._database is not None:
            self._database.close()


__all__ = ["ArchiveAccess"]
