"""The archive's database: SQLite in a file, or PostgreSQL; the same statements for both where it goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import QueuePool

from helperhub.errors import ArchiveError, ArchiveTooSlow, ArchiveUnavailable, ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

SCHEMES = ("sqlite:///", "postgresql://", "postgres://")
#: A reader gives up after so long, s: a search must not hold a page, nor the database.
READ_TIMEOUT_S = 10
_CONNECT_TIMEOUT_S = 5
#: How long one waits for SQLite's only writer, s.
_BUSY_S = 30
#: PostgreSQL's code for a statement that was stopped, as by a time limit.
_QUERY_CANCELED = "57014"
_CACHE_KIB = 65_536
#: Pages of 4 KiB that SQLite's write-ahead log takes up before they are copied into the file: with 1,000, its own
#: choice, the same pages of an index are copied several times a second while the archiver catches up.
_LOG_PAGES = 8_000


class Database:
    """One archive's database. Nothing connects before it is asked.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Raises:
        ConfigurationError: The URL can't be understood, or its driver isn't installed.
    """

    def __init__(self, url: str) -> None:
        """Use the database at ``url``."""
        self.url = _parse_url(url)
        self.is_postgres = self.url.get_backend_name() == "postgresql"
        self._engine = self._build_engine()

    def __str__(self) -> str:
        """Return the URL without its password."""
        return self.url.render_as_string(hide_password=True).replace("+psycopg", "")

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return None if self.is_postgres else Path(str(self.url.database))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one moment of the database.

        Raises:
            ArchiveUnavailable: It can't be reached.
            ArchiveError: It refuses.
        """
        with archive_errors(self), self._engine.connect() as connection:
            if self.is_postgres:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {READ_TIMEOUT_S * 1000}")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose changes are all committed at the end of the block, or none; raises as `read`."""
        # SQLite: a reader that turns writer is refused at once if another has written; so a writer from the start.
        engine = self._engine.execution_options(helperhub_write=True)
        with archive_errors(self), engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _build_engine(self) -> Engine:
        given: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 4, "max_overflow": 8, "pool_recycle": 1800}
        if self.is_postgres:
            arguments: dict[str, Any] = {"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "helperhub"}
            return self._create(connect_args=arguments, pool_pre_ping=True, **given)
        engine = self._create(connect_args={"timeout": _BUSY_S, "check_same_thread": False}, **given)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _create(self, **given: Any) -> Engine:
        try:
            return create_engine(self.url, **given)
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            message = f"{self} needs a driver that isn't installed: {error}."
            raise ConfigurationError(message, hint="pip install 'helperhub[postgres]'.") from error


def _parse_url(text: str) -> URL:
    """Return the URL with the driver that is used.

    Raises:
        ConfigurationError: It isn't of one of `SCHEMES`.
    """
    try:
        url = make_url(text.replace("postgres://", "postgresql://", 1) if text.startswith("postgres://") else text)
    except ArgumentError:
        # Not chained: the text may hold a password.
        url = None
    if url is None or not text.startswith(SCHEMES) or not url.database:
        message = "The archive's URL can't be understood."
        raise ConfigurationError(message, hint="Write sqlite:///path/to/file or postgresql://user:password@host/name.")
    return url if url.drivername.startswith("sqlite") else url.set(drivername="postgresql+psycopg")


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by `_begin_sqlite`, not by the driver's own ideas of when.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
    cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("helperhub_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def make_file(path: Path) -> None:
    """Make the file of a SQLite database, for its owner alone, unless it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


@contextmanager
def archive_errors(database: object) -> Iterator[None]:
    """Translate SQLAlchemy's errors into the archive's.

    Args:
        database: Named in the message; its text must not hold a password.

    Raises:
        ArchiveUnavailable: The database can't be reached, is shutting down, or locked.
        ArchiveTooSlow: It was asked for longer than a reader may.
        ArchiveError: Any other answer; sending it again won't help.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        text = _first_line(error)
        if "no such table" in text:
            raise _not_set_up(database, text) from error
        if getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED:
            message = f"The archive {database} had no answer after {READ_TIMEOUT_S} s."
            raise ArchiveTooSlow(message, hint="Narrow the search: helper:, since:, until:, fewer words.") from error
        message = f"The archive {database} can't be used now: {text}."
        raise ArchiveUnavailable(message, hint="Check that it runs, and HELPERHUB_DATABASE_URL.") from error
    except DBAPIError as error:
        text = _first_line(error)
        if error.connection_invalidated:
            message = f"The archive {database} can't be used now: {text}."
            raise ArchiveUnavailable(message, hint="Check that it runs.") from error
        if "does not exist" in text:
            raise _not_set_up(database, text) from error
        message = f"The archive {database} failed: {text}."
        raise ArchiveError(message) from error
    except SQLAlchemyError as error:
        message = f"The archive {database} can't be used now: {_first_line(error)}."
        raise ArchiveUnavailable(message, hint="Check that it runs, and HELPERHUB_DATABASE_URL.") from error


def _not_set_up(database: object, text: str) -> ArchiveError:
    message = f"The archive {database} isn't set up for this release: {text}."
    return ArchiveError(message, hint="Run 'helperhub db upgrade'.")


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


__all__ = ["READ_TIMEOUT_S", "SCHEMES", "Database", "archive_errors", "make_file"]
