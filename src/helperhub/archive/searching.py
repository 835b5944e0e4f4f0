"""Reading the archive: one execution, or a search page by page, newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from helperhub.archive import tables
from helperhub.archive.conditions import branches_of, first_place
from helperhub.archive.database import Database
from helperhub.archive.rows import read_attempt, read_row
from helperhub.archive.search import Found, Place, Search, Slice
from helperhub.archive.text_search import go_for_words
from helperhub.archive.walking import Walk, Walked, place_of
from helperhub.archive.words import Words, anywhere, read_words
from helperhub.model.execution import AttemptError, Execution

#: SQLite looks at this many rows for text in one go: about 20 ms.
_STEP = 5_000


class Reader:
    """Reads an archive."""

    def __init__(self, database: Database) -> None:
        """Read ``database``."""
        self.database = database

    def places(self, stream: str) -> dict[int, str]:
        """Return by shard how far a stream has been archived.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        column = tables.places.c
        with self.database.read() as connection:
            rows = connection.execute(select(column.shard, column.place).where(column.stream == stream)).all()
        return {row.shard: row.place for row in rows}

    def get(self, execution_id: str) -> Execution | None:
        """Return one execution with the errors of its attempts, or None.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        with self.database.read() as connection:
            one = tables.executions
            rows = connection.execute(select(one).where(one.c.id == execution_id)).all()
            found = self._load(connection, rows)
        return found[0].execution if found else None

    def search(self, search: Search, *, before: Place | None = None, limit: int) -> Slice:
        """Return what is found next: up to ``limit``, perhaps fewer where it is rare.

        Args:
            search: What is wanted.
            before: ``following`` of the slice before; None for the newest.
            limit: At most so many.

        Raises:
            ArchiveError: The database is away, refuses, or took too long.
        """
        start = first_place(search, before)
        with self.database.read() as connection:
            words = read_words(connection, search.terms) if search.terms and self.database.is_postgres else None
            if words is not None and not words.phrases:
                return Slice((), None)
            walks = [Walk(connection, search, branch, self.database.is_postgres) for branch in branches_of(search)]
            parts = [self._go(walk, words, start, limit) for walk in walks]
            rows, following = _join(parts, limit)
            return Slice(self._load(connection, rows), following)

    def _go(self, walk: Walk, words: Words | None, start: Place | None, limit: int) -> Walked:
        if words is not None:
            return go_for_words(walk, words, start, limit)
        if walk.search.terms:
            return walk.checking(*anywhere(walk.search.terms)).go(start, limit, look=_STEP)
        return walk.go(start, limit)

    def _load(self, connection: Connection, rows: Sequence[Any]) -> list[Found]:
        errors = _load_errors(connection, [row.id for row in rows if row.error_type is not None])
        return [Found(place_of(row), read_row(row, errors.get(row.id, ()))) for row in rows]


def _join(parts: Sequence[Walked], limit: int) -> tuple[list[Any], Place | None]:
    """Return what several ways found as one: no further than the first of them has got."""
    ends = [part.following for part in parts if part.following is not None]
    end = max(ends, default=None)
    rows = sorted((row for part in parts for row in part.rows), key=place_of, reverse=True)
    sure = [row for row in rows if end is None or place_of(row) >= end]
    if len(sure) > limit:
        return sure[:limit], place_of(sure[limit - 1])
    return sure, end


def _load_errors(connection: Connection, ids: Sequence[str]) -> dict[str, list[AttemptError]]:
    found: dict[str, list[AttemptError]] = defaultdict(list)
    if ids:
        one = tables.attempts
        statement = select(one).where(one.c.execution_id.in_(ids)).order_by(one.c.failed_ms, one.c.attempt)
        for row in connection.execute(statement):
            found[row.execution_id].append(read_attempt(row))
    return found


__all__ = ["Reader"]
