"""Executions page by page: each page starts where the one before ended, however many came before."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from helperhub.errors import NoSuchPage
from helperhub.model.execution import Execution, Status
from helperhub.model.helper import split_key
from helperhub.model.instant import epoch_ms
from helperhub.services.executions import ExecutionFilter, Executions
from helperhub.store.listing import EndPlace, StreamPlace, end_place

P = TypeVar("P")
Rows = Iterator[tuple[Any, Execution]]
#: Looked at for one page, beyond its length: a page of what is rare may be short, and says where to go on.
MOST_LOOKED = 100
_FIRST = 64
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Page:
    """A page of executions.

    Args:
        executions: Newest first.
        following: Where the next page starts: ``part`` and ``at``; None if this is the last.
    """

    executions: Sequence[Execution]
    following: Mapping[str, Any] | None


def find_page(
    executions: Executions,
    wanted: ExecutionFilter,
    *,
    limit: int,
    place: Mapping[str, Any] | None = None,
    sees: Callable[[str, str], bool] = lambda helper, queue: True,  # noqa: ARG005 - named for its callers
    fits: Callable[[Execution], bool] = lambda one: True,  # noqa: ARG005 - as above
) -> Page:
    """Return a page of executions: what is planned, if asked for; what runs, waits; then what is over, newest first.

    Only what is over keeps its place: of the rest, one that moves on meanwhile may be missed or come twice.

    Args:
        executions: The hub's.
        wanted: Which.
        limit: At most so many.
        place: ``following`` of the page before; None for the first.
        sees: Whether the caller may see an execution of this helper and queue.
        fits: Whether it is wanted for what the filter doesn't know.

    Raises:
        NoSuchPage: ``place`` isn't one of this list.
    """
    parts = _Parts(executions, wanted)
    start = None if place is None else _read_place(place, parts.names())
    rows = parts.rows(start)
    return take_page(rows, lambda one: wanted.matches(one) and sees(one.helper, one.queue) and fits(one), limit=limit)


def take_page(rows: Rows, wanted: Callable[[Execution], bool], *, limit: int) -> Page:
    """Return a page of those rows that are wanted, after looking at `MOST_LOOKED` more than its length at most."""
    found: list[Execution] = []
    last: Any = None
    for looked, (place, execution) in enumerate(rows):
        if len(found) == limit or looked == limit + MOST_LOOKED:
            return Page(found, last)
        last = place
        if wanted(execution):
            found.append(execution)
    return Page(found, None)


def load_rows(executions: Executions, rows: Iterator[P], id_of: Callable[[P], str]) -> Iterator[tuple[P, Execution]]:
    """Yield places with their executions, a few at first, then more at once."""
    size = _FIRST
    while chunk := list(islice(rows, size)):
        found = {one.id: one for one in executions.records.get_many([id_of(place) for place in chunk])}
        yield from ((place, found[id_of(place)]) for place in chunk if id_of(place) in found)
        size = min(size * 2, _CHUNK)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a list, one after another; a place names its part and where in it."""

    executions: Executions
    wanted: ExecutionFilter

    def names(self) -> list[str]:
        statuses, timed = self.wanted.statuses, self.wanted.since is not None or self.wanted.until is not None
        names = ["planned"] if Status.PLANNED in statuses else []
        if not timed and (not statuses or any(not one.final and one is not Status.PLANNED for one in statuses)):
            names.append("open")
        if not statuses or any(one.final for one in statuses):
            names.append(self._of_ended())
        return names

    def rows(self, start: tuple[str, Any] | None) -> Rows:
        names = self.names()
        if not names:
            return
        first, at = start or (names[0], None)
        for name in names[names.index(first) :]:
            of_part: Callable[[Any], Rows] = getattr(self, f"_{name}")
            for place, execution in of_part(at):
                yield {"part": name, "at": place}, execution
            at = None

    def _of_ended(self) -> str:
        if self.wanted.helper is not None:
            return "of_helper"
        return "errors" if self.wanted.statuses == {Status.ERROR} else "ended"

    def _kinds(self) -> str:
        final = {one for one in self.wanted.statuses if one.final}
        if not final:
            return "sf"
        return ("s" if Status.SUCCESS in final else "") + ("f" if final - {Status.SUCCESS} else "")

    def _helpers(self) -> list[str]:
        wanted, rows = self.wanted.helper, self.executions.plan.catalogue.read().rows
        names = [name for name in rows if wanted in (None, name, split_key(name)[0])]
        return names if wanted is None else sorted({wanted, *names})

    def _queues(self) -> list[str]:
        return self.executions.queues.names() if self.wanted.queue is None else [self.wanted.queue]

    def _planned(self, at: list[int] | None) -> Rows:
        done = at[0] if at else 0
        planned = self.executions.plan.upcoming(helper=self.wanted.helper)
        yield from (([place], one) for place, one in enumerate(planned[done:], done + 1))

    def _open(self, at: list[int] | None) -> Rows:
        records, done = self.executions.records, at[0] if at else 0
        running = sorted((one.id for one in records.running()), reverse=True)
        seen = set(running)
        waiting = (id_ for id_ in records.waiting_ids(self._queues()) if id_ not in seen)
        ids = (id_ for part in (iter(running), waiting, records.parked_ids(self._helpers())) for id_ in part)
        places = islice(enumerate(ids, 1), done, None)
        for (place, _), one in load_rows(self.executions, places, lambda row: row[1]):
            if not one.status.final:  # it ended a moment ago, and comes with what is over
                yield [place], one

    def _ended(self, at: list[Any] | None) -> Rows:
        for place, one in load_rows(self.executions, self._stream(at), lambda place: place[3]):
            yield list(place), one

    def _stream(self, at: list[Any] | None) -> Iterator[StreamPlace]:
        before = None if at is None else (at[0], at[1], at[2], at[3])
        since, until = self.wanted.since, self.wanted.until
        listing = self.executions.records.listing()
        return listing.ended(self._queues(), self._kinds(), before=before, since=since, until=until)

    def _of_helper(self, at: list[Any] | None) -> Rows:
        before: EndPlace | None = None if at is None else (at[0], at[1])
        if before is None and self.wanted.until is not None:
            before = (epoch_ms(self.wanted.until) + 1, "")
        listing = self.executions.records.listing()
        found = [listing.of_helper(name, self._kinds(), before=before) for name in self._helpers()]
        for one in heapq.merge(*found, key=end_place, reverse=True):
            if self._is_too_old(one):
                return
            yield list(end_place(one)), one

    def _errors(self, at: list[Any] | None) -> Rows:
        # Dead letters outlive the history; those that were replayed or deleted are only there.
        dead_at, ended_at = at or (None, None)
        marked = _mark_dead(self._stream(ended_at), self.executions.records.listing().are_dead)
        dead = ((place, True, True, one) for place, one in self._dead(dead_at))
        ended = (
            (place, False, is_dead, one)
            for (place, is_dead), one in load_rows(self.executions, marked, lambda row: row[0][3])
        )
        rows: Iterator[tuple[Any, bool, bool, Execution]] = heapq.merge(
            dead, ended, key=lambda row: end_place(row[3]), reverse=True
        )
        for place, of_dead, is_dead, one in rows:
            dead_at, ended_at = (list(place), ended_at) if of_dead else (dead_at, list(place))
            # Left out only here: a search for the first that isn't dead would be one through all of the history.
            if of_dead or not is_dead:
                yield [dead_at, ended_at], one

    def _dead(self, at: list[Any] | None) -> Iterator[tuple[EndPlace, Execution]]:
        before: EndPlace | None = None if at is None else (at[0], at[1])
        if before is None and self.wanted.until is not None:
            before = (epoch_ms(self.wanted.until) + 1, "")
        places = self.executions.records.listing().dead(before=before)
        for place, one in load_rows(self.executions, places, lambda place: place[1]):
            if self._is_too_old(one):
                return
            yield place, one

    def _is_too_old(self, one: Execution) -> bool:
        since = self.wanted.since
        return since is not None and one.finished_at is not None and one.finished_at < since


def _mark_dead(
    rows: Iterator[StreamPlace], are_dead: Callable[[Sequence[str]], list[bool]]
) -> Iterator[tuple[StreamPlace, bool]]:
    """Yield places with whether the dead letters have them too."""
    while chunk := list(islice(rows, _FIRST)):
        yield from zip(chunk, are_dead([place[3] for place in chunk]), strict=True)


def _read_place(place: Mapping[str, Any], names: Sequence[str]) -> tuple[str, Any]:
    part, at = place.get("part"), place.get("at")
    shapes: dict[str, tuple[type, ...]] = {
        "planned": (int,),
        "open": (int,),
        "ended": (int, int, int, str),
        "of_helper": (int, str),
    }
    if part == "errors" and isinstance(at, list) and len(at) == 2:
        fits = all(one is None or _fits(one, shape) for one, shape in zip(at, (_DEAD, shapes["ended"]), strict=True))
    else:
        fits = isinstance(part, str) and part in shapes and _fits(at, shapes[part])
    if not fits or part not in names:
        raise NoSuchPage(hint="Give the 'next_cursor' of the page before as it stands, with the same filters.")
    return str(part), at


_DEAD: tuple[type, ...] = (int, str)


def _fits(at: Any, shape: Sequence[type]) -> bool:
    """Return whether ``at`` has these types; numbers are those that Redis has."""
    return (
        isinstance(at, list)
        and len(at) == len(shape)
        and all(type(one) is kind for one, kind in zip(at, shape, strict=True))
        and all(0 <= one < 2**53 for one in at if isinstance(one, int))
    )


def read_end_place(place: Mapping[str, Any] | None) -> EndPlace | None:
    """Return the place that a page of dead letters starts behind; None for the first.

    Raises:
        NoSuchPage: It isn't one.
    """
    if place is None:
        return None
    _, at = _read_place({"part": "of_helper", "at": place.get("at")}, ["of_helper"])
    return at[0], at[1]


__all__ = ["MOST_LOOKED", "Page", "find_page", "load_rows", "read_end_place", "take_page"]
