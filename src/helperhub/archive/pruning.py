"""Removing what is old from the archive: in small transactions, so that nobody waits for it for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, Connection, and_, delete, func, literal_column, or_, select

from helperhub.archive import tables
from helperhub.archive.database import Database
from helperhub.model.span import DAY_MS, floor_to

#: Executions in one transaction: some 20 ms.
_CHUNK = 500
#: Of SQLite's free pages, so many are given back to the disk in one transaction.
_PAGES = 2000
_INCREMENTAL = 2
_OF_EXECUTIONS = (
    (tables.attempts, tables.attempts.c.execution_id),
    (tables.execution_metadata, tables.execution_metadata.c.execution_id),
    (tables.executions, tables.executions.c.id),
)


@dataclass(frozen=True, slots=True)
class Pruner:
    """Removes old rows.

    Args:
        database: The archive's.
        rest: Waits so many seconds: as long after each transaction as that took, so that who writes has half the time.
    """

    database: Database
    rest: Callable[[float], None] = time.sleep

    def remove_executions(self, before_ms: Mapping[str, int], spared: Collection[str]) -> dict[str, int]:
        """Remove executions with their attempts and metadata; return how many by outcome.

        Args:
            before_ms: By outcome: what was recorded before is removed.
            spared: Ids of those that stay whatever their age.

        Raises:
            ArchiveError: The database is away, or refuses; what was removed stays so.
        """
        return {outcome: self._remove(outcome, until_ms, spared) for outcome, until_ms in before_ms.items()}

    def count_executions(self, before_ms: Mapping[str, int], spared: Collection[str]) -> dict[str, int]:
        """Return how many `remove_executions` would remove, by outcome."""
        table = tables.executions
        found: dict[str, int] = {}
        with self.database.read() as connection:
            for outcome, until_ms in before_ms.items():
                old = _old(outcome, until_ms)
                counted = select(func.count()).select_from(table)
                number = connection.execute(counted.where(*old)).scalar_one()
                for ids in _chunks(spared):
                    number -= connection.execute(counted.where(*old, table.c.id.in_(ids))).scalar_one()
                found[outcome] = int(number)
        return found

    def remove_hours(self, before_ms: int) -> int:
        """Remove the sums of hours of whole days before an instant; return how many. Those of days and weeks stay."""
        removed = 0
        table = tables.rollups
        for since_ms, until_ms in self._days_with_hours(before_ms):
            started = time.monotonic()
            with self.database.write() as connection:
                removed += connection.execute(
                    delete(table).where(
                        table.c.period == "hour", table.c.start_ms >= since_ms, table.c.start_ms < until_ms
                    )
                ).rowcount
            self.rest(time.monotonic() - started)
        return removed

    def count_hours(self, before_ms: int) -> int:
        """Return how many `remove_hours` would remove."""
        table = tables.rollups
        old = table.c.period == "hour", table.c.start_ms < floor_to(before_ms, DAY_MS)
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table).where(*old)).scalar_one())

    def give_back(self) -> int:
        """Give free pages of a SQLite file back to the disk if it was made so; return how many free bytes it has then.

        A file without ``auto_vacuum`` keeps them, and fills them with what comes. PostgreSQL does as it sees fit.
        """
        if self.database.is_postgres:
            return 0
        with self.database.read() as connection:
            can_shrink = _pragma(connection, "auto_vacuum") == _INCREMENTAL
        while can_shrink:
            started = time.monotonic()
            with self.database.write() as connection:
                before = _pragma(connection, "freelist_count")
                # As a script, in a transaction of its own: what runs as a statement gives back one page only.
                connection.connection.cursor().executescript(f"PRAGMA incremental_vacuum({_PAGES})")
                left = _pragma(connection, "freelist_count")
            can_shrink = 0 < left < before
            self.rest(time.monotonic() - started)
        with self.database.read() as connection:
            return _pragma(connection, "freelist_count") * _pragma(connection, "page_size")

    def _remove(self, outcome: str, until_ms: int, spared: Collection[str]) -> int:
        removed, place = 0, None
        while True:
            started = time.monotonic()
            with self.database.write() as connection:
                found = _oldest(connection, outcome, until_ms, place)
                ids = [id_ for _, id_ in found if id_ not in spared]
                if ids:
                    for table, column in _OF_EXECUTIONS:
                        connection.execute(delete(table).where(column.in_(ids)))
            removed += len(ids)
            if len(found) < _CHUNK:
                return removed
            place = found[-1]
            self.rest(time.monotonic() - started)

    def _days_with_hours(self, before_ms: int) -> Iterator[tuple[int, int]]:
        """Yield the whole days before an instant that have hours, oldest first."""
        table, end_ms, since_ms = tables.rollups, floor_to(before_ms, DAY_MS), 0
        while True:
            with self.database.read() as connection:
                oldest = connection.execute(
                    select(table.c.start_ms)
                    .where(table.c.period == "hour", table.c.start_ms >= since_ms, table.c.start_ms < end_ms)
                    .order_by(table.c.start_ms)
                    .limit(1)
                ).scalar()
            if oldest is None:
                return
            day_ms = floor_to(int(oldest), DAY_MS)
            since_ms = day_ms + DAY_MS
            yield day_ms, since_ms


def _old(outcome: str, until_ms: int) -> list[ColumnElement[bool]]:
    table = tables.executions
    found: list[ColumnElement[bool]] = [table.c.status == outcome, table.c.recorded_ms < until_ms]
    if outcome != "success":
        # By the letter, so that both databases see that the partial index has all that is asked for.
        found.append(table.c.status != literal_column("'success'"))
    return found


def _oldest(
    connection: Connection, outcome: str, until_ms: int, after: tuple[int, str] | None
) -> Sequence[tuple[int, str]]:
    table = tables.executions
    place = table.c.recorded_ms, table.c.id
    query = select(*place).where(*_old(outcome, until_ms)).order_by(*place).limit(_CHUNK)
    if after is not None:
        at_ms, id_ = after
        later = or_(table.c.recorded_ms > at_ms, and_(table.c.recorded_ms == at_ms, table.c.id > id_))
        query = query.where(table.c.recorded_ms >= at_ms, later)
    return [(int(at_ms), str(id_)) for at_ms, id_ in connection.execute(query)]


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def _chunks(ids: Collection[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


__all__ = ["Pruner"]
