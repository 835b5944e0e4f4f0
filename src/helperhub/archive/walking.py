"""Going through an index newest first, a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy.sql.util import ClauseAdapter

from helperhub.archive import tables
from helperhub.archive.conditions import Branch, Condition, id_in_order, in_time
from helperhub.archive.search import Place, Search

#: Rows looked at for one page where each must be checked, so that what is rare or isn't there costs no more.
#: Measured with 10,000,000 rows: 10,000 of a helper take PostgreSQL 30 ms once they are in memory.
MOST_LOOKED = 10_000


@dataclass(frozen=True, slots=True)
class Walked:
    """Rows of `tables.executions`, newest first, and where to go on; None if there is nothing more."""

    rows: Sequence[Any]
    following: Place | None


@dataclass(frozen=True, slots=True)
class Walk:
    """Goes along one branch.

    Args:
        connection: The archive's, for reading.
        search: Says since when.
        branch: Which way, and what is checked.
        is_postgres: What kind of database it is.
    """

    connection: Connection
    search: Search
    branch: Branch
    is_postgres: bool

    def checking(self, *conditions: Condition) -> Walk:
        """Return the same way with more that is checked of each row."""
        return replace(self, branch=replace(self.branch, checked=(*self.branch.checked, *conditions)))

    def go(self, before: Place | None, limit: int, *, look: int = MOST_LOOKED) -> Walked:
        """Return up to ``limit`` rows behind a place, after looking at ``look`` at most.

        Args:
            before: The place; None to begin with the newest.
            limit: At most so many.
            look: Where rows are checked, at most so many are.
        """
        places = self._places(before)
        if self.branch.pair is None and not self.branch.checked:
            rows = self.connection.execute(places.limit(limit)).all()
            return Walked(rows, place_of(rows[-1]) if len(rows) == limit else None)
        rows = self.connection.execute(self._checked(places.limit(look)).limit(limit)).all()
        if len(rows) == limit:
            return Walked(rows, place_of(rows[-1]))
        only_place = places.with_only_columns(places.selected_columns.recorded_ms, places.selected_columns.id)
        last = self.connection.execute(only_place.offset(look - 1).limit(1)).first()
        return Walked(rows, None if last is None else place_of(last))

    def end_of(self, before: Place | None, look: int) -> Place | None:
        """Return a place behind about the next ``look`` rows, or none of that ms; None if there are fewer.

        Only an index is read.
        """
        table, ordered = tables.executions, list(self.branch.ordered)
        if self.branch.pair is not None:
            table = tables.execution_metadata
            ordered = [table.c.name == self.branch.pair[0], table.c.value == self.branch.pair[1]]
        if self.search.since_ms is not None:
            ordered.append(table.c.recorded_ms >= self.search.since_ms)
        if before is not None:
            ordered.append(table.c.recorded_ms <= before[0])
        found = select(table.c.recorded_ms).where(*ordered).order_by(table.c.recorded_ms.desc())
        last_ms = self.connection.execute(found.offset(look).limit(1)).scalar()
        return None if last_ms is None else (last_ms, "")

    def _places(self, before: Place | None) -> Select[Any]:
        """Return the rows on the way, newest first: of executions, or of their metadata."""
        if self.branch.pair is None:
            one = tables.executions.c
            id_ = id_in_order(one.id, is_postgres=self.is_postgres)
            found = select(tables.executions).where(*self.branch.ordered)
            return found.where(*in_time(self.search, before, one.recorded_ms, id_)).order_by(
                one.recorded_ms.desc(), id_.desc()
            )
        name, value = self.branch.pair
        pair = tables.execution_metadata.c
        id_ = id_in_order(pair.execution_id, is_postgres=self.is_postgres)
        found = select(pair.recorded_ms, pair.execution_id.label("id")).where(pair.name == name, pair.value == value)
        return found.where(*in_time(self.search, before, pair.recorded_ms, id_)).order_by(
            pair.recorded_ms.desc(), id_.desc()
        )

    def _checked(self, places: Select[Any]) -> Select[Any]:
        looked = places.subquery("looked")
        id_ = id_in_order(looked.c.id, is_postgres=self.is_postgres)
        order = looked.c.recorded_ms.desc(), id_.desc()
        if self.branch.pair is not None:
            one = tables.executions
            joined = select(one).join(looked, one.c.id == looked.c.id)
            return joined.where(*self.branch.checked).order_by(*order)
        of_looked = ClauseAdapter(looked)
        checked = [of_looked.traverse(condition) for condition in self.branch.checked]
        return select(looked).where(*checked).order_by(*order)


def place_of(row: Any) -> Place:
    """Return a row's place."""
    return row.recorded_ms, row.id


__all__ = ["MOST_LOOKED", "Walk", "Walked", "place_of"]
