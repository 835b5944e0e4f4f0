"""An archive at one look."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, text

from helperhub.archive import tables
from helperhub.archive.database import Database
from helperhub.archive.upgrade import check, newest


@dataclass(frozen=True, slots=True)
class Facts:
    """What an archive holds.

    Args:
        revision: Of its tables.
        executions: How many it has; PostgreSQL estimates that.
        oldest_ms: When the oldest of them came to its end; None if there are none.
    """

    revision: str
    executions: int
    oldest_ms: int | None


def read_facts(database: Database, *, hub: str) -> Facts:
    """Return what an archive holds.

    Raises:
        ConfigurationError: It is another hub's, or a newer release's.
        ArchiveError: It isn't set up, or can't be reached.
    """
    check(database, hub=hub)
    table = tables.executions
    with database.read() as connection:
        if database.is_postgres:
            count = text("SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'executions'::regclass")
            executions = int(connection.execute(count).scalar_one())
        else:
            executions = int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        oldest_ms = connection.execute(select(func.min(table.c.recorded_ms))).scalar()
    return Facts(newest(), executions, oldest_ms)
