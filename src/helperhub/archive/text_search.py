"""Text along one branch in PostgreSQL: through the index of words, along the time, or both; see `words`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, literal, select

from helperhub.archive import tables
from helperhub.archive.conditions import has_pair, id_in_order, in_time
from helperhub.archive.search import Place
from helperhub.archive.walking import Walk, Walked, place_of
from helperhub.archive.words import Words

#: Of up to so many rows with a word all are found through the index and put in order.
FEW = 2_000
#: Of the rows: what PostgreSQL has no count of it takes for about half of this.
_RARE = 0.001
#: Above this, estimated, the index is left alone: to name a row takes it 1.2 us, measured, and it names them all.
MANY = 50_000
#: The same where two steps along the time found none: they are to be found elsewhere, at some cost.
_MANY_LONG_AGO = 200_000
#: Looked at along the time in one step; to find the words of a row takes 15 to 20 us, measured.
_STEP = 1_500
_STEPS = 6
#: The longest span of time, in rows, that is put together with the index.
_LONGEST_SPAN = 250_000
#: A bitmap that finds less room names pages instead of rows: each row there has its words found anew.
_BITMAPS_MIB = 32


def go_for_words(walk: Walk, words: Words, before: Place | None, limit: int) -> Walked:
    """Return up to ``limit`` rows of a branch that have the words, behind a place; few may be less than there are."""
    if words.count <= max(FEW, words.rows * _RARE):
        all_of_them = _of_few(walk, words, before, limit)
        if all_of_them is not None:
            return all_of_them
    density = max(words.count, 1.0) / max(words.rows, 1.0)
    if words.count <= MANY and density * _STEP * 4 < limit:
        return _of_span(walk, words, before, limit, look=min(_LONGEST_SPAN, int(4 * limit / density)))
    rows: list[Any] = []
    at = before
    for step in range(1, _STEPS + 1):
        walked = walk.checking(words.exactly).go(at, limit - len(rows), look=_STEP)
        rows, at = [*rows, *walked.rows], walked.following
        if len(rows) == limit or at is None:
            break
        if step == 2 and not rows and words.count <= _MANY_LONG_AGO:
            return _of_span(walk, words, at, limit, look=_LONGEST_SPAN)
    return Walked(rows, at)


def _of_few(walk: Walk, words: Words, before: Place | None, limit: int) -> Walked | None:
    """Return what is found through the index, if it names no more than `FEW` rows; else None."""
    # Neither time nor anything else stands here: else it would look at all that has the words for a few that fit.
    some = select(literal(1)).select_from(tables.executions).where(words.in_index).limit(FEW + 1).subquery()
    if _through_bitmaps(walk, select(func.count()).select_from(some))[0][0] > FEW:
        return None
    rows = _through_bitmaps(walk, _having(walk, words, before).limit(limit))
    return Walked(rows, place_of(rows[-1]) if len(rows) == limit else None)


def _of_span(walk: Walk, words: Words, before: Place | None, limit: int, look: int) -> Walked:
    """Return what the index names within the next ``look`` rows of the branch."""
    last = walk.end_of(before, look)
    found = _having(walk, words, before)
    if last is not None:
        found = found.where(tables.executions.c.recorded_ms >= last[0])
    rows = _through_bitmaps(walk, found.limit(limit))
    return Walked(rows, place_of(rows[-1]) if len(rows) == limit else last)


def _having(walk: Walk, words: Words, before: Place | None) -> Select[Any]:
    """Return what has the words and fits the branch behind a place, newest first."""
    one = tables.executions.c
    id_ = id_in_order(one.id, is_postgres=True)
    branch = walk.branch
    pair = [] if branch.pair is None else [has_pair(*branch.pair)]
    found = select(tables.executions).where(*words.found, *branch.ordered, *branch.checked, *pair)
    found = found.where(*in_time(walk.search, before, one.recorded_ms, id_))
    return found.order_by(one.recorded_ms.desc(), id_.desc())


def _through_bitmaps(walk: Walk, statement: Select[Any]) -> list[Any]:
    """Return a statement's rows, all taken from indexes by bitmaps: what it takes then grows with what they name.

    PostgreSQL might rather go along the time, by what it believes of a word; 10,000,000 rows took it minutes.
    """
    connection = walk.connection
    for change in (*_scans("off"), f"work_mem = '{_BITMAPS_MIB}MB'"):
        connection.exec_driver_sql(f"SET LOCAL {change}")
    rows = list(connection.execute(statement).all())
    for change in _scans("on"):
        connection.exec_driver_sql(f"SET LOCAL {change}")
    return rows


def _scans(which: str) -> list[str]:
    return [f"enable_{kind} = {which}" for kind in ("seqscan", "indexscan")]


__all__ = ["FEW", "MANY", "go_for_words"]
