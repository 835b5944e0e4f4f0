"""A search as conditions: those that an index answers in order of time, and those that are checked row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, collate, exists, literal, tuple_

from helperhub.archive import tables
from helperhub.archive.rows import metadata_value
from helperhub.archive.search import Place, Search
from helperhub.model.execution import Status

Condition = ColumnElement[bool]
_ENDS = frozenset(one for one in Status if one.final)


@dataclass(frozen=True, slots=True)
class Branch:
    """One way through one index, newest first.

    Args:
        ordered: What an index answers in order of time.
        checked: What is checked of each row on the way.
        pair: A name and value of metadata whose index is gone through, instead of one of `tables.executions`.
    """

    ordered: tuple[Condition, ...]
    checked: tuple[Condition, ...]
    pair: tuple[str, str] | None = None


def branches_of(search: Search) -> list[Branch]:
    """Return the ways through the indexes that together find what is searched for, without its terms."""
    wanted = search.statuses & _ENDS
    if search.statuses and not wanted:
        return []
    if not wanted or wanted == _ENDS:
        return [_branch(search, None)]
    if search.metadata:
        # Through one name and value there is one way, whatever the state.
        return [_branch(search, None, of_statuses=wanted)]
    return [_branch(search, status) for status in sorted(wanted)]


def _branch(search: Search, status: Status | None, *, of_statuses: Iterable[Status] = ()) -> Branch:
    """Return the way for one state, or any: by the helper or the queue and the state, else by time."""
    column = tables.executions.c
    helper = [] if search.helper is None else [column.helper == search.helper]
    queue = [] if search.queue is None else [column.queue == search.queue]
    state = _of_state(status)
    rest = [] if search.instance is None else [column.instance == search.instance]
    if of_statuses:
        rest.append(column.status.in_([one.value for one in of_statuses]))
    pairs = [(metadata_value(name), metadata_value(value)) for name, value in search.metadata.items()]
    if pairs:
        rest += [has_pair(*pair) for pair in pairs[1:]]
        return Branch((), (*helper, *queue, *state, *rest), pairs[0])
    if status is Status.SUCCESS:
        # Nearly all are: no index is worth it.
        rest, state = [*state, *rest], []
    if helper:
        return Branch((*helper, *state), (*queue, *rest))
    return Branch((*queue, *state), tuple(rest))


def _of_state(status: Status | None) -> list[Condition]:
    if status is None:
        return []
    column = tables.executions.c.status
    if status is Status.SUCCESS:
        return [column == status.value]
    # As constants, and said twice: only so an index of what isn't a success is taken.
    return [column == literal(status.value, literal_execute=True), column != _success()]


def _success() -> Any:
    return literal(Status.SUCCESS.value, literal_execute=True)


def has_pair(name: str, value: str) -> Condition:
    """Return whether an execution was given this metadata."""
    pair, one = tables.execution_metadata.c, tables.executions.c
    return exists().where(
        pair.execution_id == one.id, pair.recorded_ms == one.recorded_ms, pair.name == name, pair.value == value
    )


def in_time(search: Search, before: Place | None, ms: Any, id_: Any) -> Iterator[Condition]:
    """Yield the conditions of time.

    Args:
        search: Says since when.
        before: Only what stands behind this place.
        ms: The column of the first part of a place.
        id_: That of the second, as `id_in_order` gives it.
    """
    if search.since_ms is not None:
        yield ms >= search.since_ms
    if before is not None:
        # The first for the index, which may not know the order of ids.
        yield ms <= before[0]
        yield tuple_(ms, id_) < tuple_(literal(before[0]), literal(before[1]))


def id_in_order(column: Any, *, is_postgres: bool) -> Any:
    """Return a column of ids that is compared byte by byte, as Python and SQLite do it."""
    return collate(column, "C") if is_postgres else column


def first_place(search: Search, before: Place | None) -> Place | None:
    """Return where a search begins: behind ``before``, and at its own ``until_ms``."""
    if search.until_ms is None:
        return before
    latest = (search.until_ms + 1, "")
    return latest if before is None else min(latest, before)


__all__ = ["Branch", "Condition", "branches_of", "first_place", "has_pair", "id_in_order", "in_time"]
