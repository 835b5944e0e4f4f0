"""Writing to the archive: what ended, its sums, and how far has been read, in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, tee
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, select, tuple_
from sqlalchemy.exc import DBAPIError, IntegrityError

from helperhub.archive import tables
from helperhub.archive.database import Database
from helperhub.archive.rows import Ended, Row, attempt_row, attempt_rows, execution_row, metadata_rows
from helperhub.archive.tally import Period, Tally, read_period, read_tally, tally
from helperhub.model.execution import AttemptError

#: Ids in one statement.
_CHUNK = 500
#: Values in one statement: SQLite takes 32,766, but more than these are no faster.
_MOST_VALUES = 5200
_EXECUTION_TABLES = (
    (tables.executions, tables.executions.c.id),
    (tables.attempts, tables.attempts.c.execution_id),
    (tables.execution_metadata, tables.execution_metadata.c.execution_id),
)


class Writer:
    """Writes what ended in the shards. Any number may write at once: of each step, one wins."""

    def __init__(self, database: Database) -> None:
        """Write to ``database``."""
        self.database = database

    def place(self, shard: int, stream: str) -> str | None:
        """Return how far ``stream`` of a shard has been read; None if not at all.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        with self.database.read() as connection:
            return _place(connection, shard, stream)

    def write(self, shard: int, stream: str, before: str | None, after: str, ended: Sequence[Ended]) -> bool:
        """Write what ended between two places; False, and nothing written, if another has been there.

        Args:
            shard: The shard's number.
            stream: What was read.
            before: Where it was read from.
            after: And up to where.
            ended: What ended there; what the archive has already is left as it is.

        Raises:
            ArchiveError: The database is away, or refuses; nothing was written.
        """
        with self.database.write() as connection:
            if not _advance(connection, shard, stream, before, after):
                return False
            if ended:
                # Of an id that came to two ends, the later one is the row.
                self._write(connection, {one.execution.id: one for one in sorted(ended, key=_recorded_ms)})
            return True

    def add_attempts(self, errors: Sequence[tuple[str, int, AttemptError]]) -> None:
        """Write errors (execution, recorded ms, error) that their records had no room for; what is there stays.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        table = tables.attempts
        rows = {row[:3]: row for id_, recorded_ms, error in errors for row in [attempt_row(id_, recorded_ms, error)]}
        with self.database.write() as connection:
            key = tuple_(table.c.execution_id, table.c.attempt, table.c.failed_ms)
            for some in _chunks(rows):
                connection.execute(delete(table).where(key.in_(some)))
            self._add(connection, table, [*rows.values()])

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Return those of these executions that the archive hasn't.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        with self.database.read() as connection:
            known = {id_ for id_, _ in _known(connection, ids)}
        return [id_ for id_ in ids if id_ not in known]

    def _write(self, connection: Connection, ended: Mapping[str, Ended]) -> None:
        try:
            with connection.begin_nested():
                self._insert(connection, ended.values())
        except IntegrityError:
            self._write_over(connection, ended)

    def _write_over(self, connection: Connection, ended: Mapping[str, Ended]) -> None:
        """Write where some are known: after a Redis was put back to an earlier state, or an id was used again."""
        rows = dict(ended)
        for id_, recorded_ms in _known(connection, list(rows)):
            if recorded_ms >= rows[id_].recorded_ms:
                del rows[id_]
        for ids in _chunks(rows):
            for table, column in _EXECUTION_TABLES:
                connection.execute(delete(table).where(column.in_(ids)))
        self._insert(connection, rows.values())

    def _insert(self, connection: Connection, ended: Iterable[Ended]) -> None:
        rows = list(ended)
        # Made while they are sent, PostgreSQL takes them in meanwhile; and kept for the sums.
        sent, kept = tee(map(execution_row, rows))
        self._add(connection, tables.executions, sent)
        self._add(
            connection, tables.attempts, (row for one in rows if one.execution.errors for row in attempt_rows(one))
        )
        named = (row for one in rows if one.execution.metadata for row in metadata_rows(one))
        self._add(connection, tables.execution_metadata, named)
        self._sum(connection, tally(kept, rows))

    def _sum(self, connection: Connection, sums: dict[Period, Tally]) -> None:
        """Add to the sums of hours and days, and write them anew."""
        table = tables.rollups
        key = tuple_(*(table.c[name] for name in Period._fields))
        for periods in _chunks(sums):
            for row in connection.execute(select(table).where(key.in_(periods))):
                sums[read_period(row)].merge(read_tally(row))
            connection.execute(delete(table).where(key.in_(periods)))
        self._add(connection, table, [one.row(period) for period, one in sums.items()])

    def _add(self, connection: Connection, table: Table, rows: Iterable[Row]) -> None:
        """Insert rows that have all columns in the table's order."""
        (_copy if self.database.is_postgres else _insert)(connection, table, rows)


def _insert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Insert many rows by each statement, which takes a fifth less than one by one."""
    one = f"({','.join('?' * len(table.columns))})"
    for some in _chunks(rows, _MOST_VALUES // len(table.columns)):
        statement = f"INSERT INTO {table.name} VALUES {','.join([one] * len(some))}"  # noqa: S608 - constants
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))


def _copy(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    import psycopg  # noqa: PLC0415 - an extra

    driver: Any = connection.connection.driver_connection
    columns = ",".join(f'"{column.name}"' for column in table.columns)
    statement = f'COPY "{table.name}" ({columns}) FROM STDIN'
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # SQLAlchemy doesn't see what its driver is asked directly.
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, connection_invalidated=driver.closed, dialect=connection.dialect
        ) from error


def _advance(connection: Connection, shard: int, stream: str, before: str | None, after: str) -> bool:
    """Move a place on, and hold it till the commit; False if it isn't where the caller saw it."""
    table = tables.places
    here = and_(table.c.shard == shard, table.c.stream == stream)
    if before is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(table).values(shard=shard, stream=stream, place=after))
        except IntegrityError:
            return False
        return True
    changed = connection.execute(table.update().where(here, table.c.place == before).values(place=after))
    return changed.rowcount == 1


def _place(connection: Connection, shard: int, stream: str) -> str | None:
    table = tables.places
    found = select(table.c.place).where(table.c.shard == shard, table.c.stream == stream)
    return connection.execute(found).scalar()


def _known(connection: Connection, ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield id and place in time of those executions that are there."""
    table = tables.executions
    for some in _chunks(ids):
        for row in connection.execute(select(table.c.id, table.c.recorded_ms).where(table.c.id.in_(some))):
            yield row.id, row.recorded_ms


def _recorded_ms(ended: Ended) -> int:
    return ended.recorded_ms


def _chunks(values: Iterable[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


__all__ = ["Writer"]
