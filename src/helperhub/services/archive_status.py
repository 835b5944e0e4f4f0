"""Where the archive is, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from helperhub.errors import ArchiveError, ConfigurationError
from helperhub.model.duration import format_duration
from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.store.archived import Archived, count_unarchived, read_archived
from helperhub.store.scripts import Scripts

if TYPE_CHECKING:
    from helperhub.archive.database import Database

#: An archiver looks once a second and says how far it is: what is later than this is worth a word.
LATE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """Says how the archive is.

    Args:
        shards: The hub's shards.
        enabled: Whether one is wanted.
        url: Where it is to be, without a password.
        hub: Whose it is.
        database: Opens it; None where there is none on this machine.
        now_ms: Redis TIME.
    """

    shards: Sequence[Scripts]
    enabled: bool
    url: str
    hub: str
    database: Callable[[], Database | None]
    now_ms: Callable[[], int]

    def lag(self) -> timedelta | None:
        """Return how long ago that was recorded which the archive lacks at most; None if no archiver ever worked.

        Raises:
            StoreError: Redis is away.
        """
        return self._lag([read_archived(part) for part in self.shards])

    def problems(self) -> list[str]:
        """Return what is wrong, as Redis tells it.

        Raises:
            StoreError: Redis is away.
        """
        return self._problems(self.lag()) if self.enabled else []

    def look(self) -> dict[str, Any]:
        """Return everything as a document.

        Raises:
            StoreError: Redis is away.
        """
        said = [read_archived(part) for part in self.shards]
        lag = self._lag(said)
        found: dict[str, Any] = {"enabled": self.enabled, "url": self.url, "revision": None}
        found |= {"executions": None, "oldest_at": None}
        found["until"] = None if lag is None else to_rfc3339(from_ms(min(one.until_ms for one in said if one)))
        found["lag_seconds"] = None if lag is None else lag.total_seconds()
        found["unarchived"] = sum(count_unarchived(part) for part in self.shards)
        problems = self._problems(lag) if self.enabled else ["HELPERHUB_ARCHIVE__ENABLED is false."]
        try:
            found |= self._look_into()
        except (ArchiveError, ConfigurationError) as error:
            problems.append(str(error))
        return {**found, "problems": problems}

    def _look_into(self) -> dict[str, Any]:
        database = self.database()
        if database is None:
            return {}
        from helperhub.archive.facts import read_facts  # noqa: PLC0415 - SQLAlchemy only where there is an archive

        facts = read_facts(database, hub=self.hub)
        oldest = None if facts.oldest_ms is None else to_rfc3339(from_ms(facts.oldest_ms))
        return {"revision": facts.revision, "executions": facts.executions, "oldest_at": oldest}

    def _lag(self, said: Sequence[Archived | None]) -> timedelta | None:
        known = [one.until_ms for one in said if one is not None]
        if len(known) < len(said):
            return None
        return timedelta(milliseconds=max(0, self.now_ms() - min(known)))

    def _problems(self, lag: timedelta | None) -> list[str]:
        problems = []
        if lag is not None and lag > LATE:
            behind = format_duration(timedelta(seconds=round(lag.total_seconds())))
            problems.append(f"The archive is {behind} behind: see that 'helperhub archiver' and its database run.")
        gone = sum(count_unarchived(part) for part in self.shards)
        if gone:
            problems.append(f"{gone} executions left Redis for want of memory before they were archived.")
        return problems
