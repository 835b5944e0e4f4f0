"""Executions as one list: what is planned, what runs and waits, and what is over, from Redis and archive as one.

The archive has all that was recorded before its seam, which moves on; Redis has what came later, and most of
what came before. What is over stands by when that was recorded and, within one ms, by id, in both alike. So a
place in the list says nothing of where the row came from, and the next page finds the seam wherever it is by
then. See docs/decisions/0030.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from helperhub.errors import ArchiveError, ArchiveTooSlow, ArchiveUnavailable, NoSuchPage
from helperhub.model.execution import Execution, Status
from helperhub.model.helper import split_key
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.services.archived import NO_ARCHIVE, Archived, ArchiveState, ArchiveView
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.plan import Plan
from helperhub.store.executions import Executions as Records
from helperhub.store.listing import EndPlace, end_place
from helperhub.store.queues import Queues

P = TypeVar("P")
_FIRST = 64
_CHUNK = 500
#: Behind all that can ever end.
_NEWEST: EndPlace = (2**53 - 1, "")


class Row(NamedTuple):
    """A row of the list.

    Args:
        place: Where it is; the list goes on behind it.
        execution: What is there; None for a pause, up to which nothing more was found.
        fits: Whether it is wanted.
    """

    place: Any
    execution: Execution | None
    fits: bool


#: What ended: its place, the execution, and whether it is wanted.
_Ended = tuple[EndPlace, Execution | None, bool]


def load_rows(records: Records, rows: Iterator[P], id_of: Callable[[P], str]) -> Iterator[tuple[P, Execution]]:
    """Yield places with their executions, a few at first, then more at once."""
    size = _FIRST
    while chunk := list(islice(rows, size)):
        found = {one.id: one for one in records.get_many([id_of(place) for place in chunk])}
        yield from ((place, found[id_of(place)]) for place in chunk if id_of(place) in found)
        size = min(size * 2, _CHUNK)


@dataclass(slots=True)
class History:
    """One list: its parts, one after another; a place names its part and where in it.

    Args:
        records: What Redis has.
        queues: The hub's.
        plan: What is planned.
        archived: What the archive has.
        wanted: Which.
        strict: Whether an archive that can't be read is an error, or Redis alone is the answer then.
    """

    records: Records
    queues: Queues
    plan: Plan
    archived: Archived
    wanted: ExecutionFilter
    strict: bool = False
    #: What the archive gave; before anything that is over was asked for, nothing.
    view: ArchiveView = field(default=NO_ARCHIVE)

    def names(self) -> list[str]:
        """Return the parts that have what is wanted."""
        statuses, timed = self.wanted.statuses, self.wanted.since is not None or self.wanted.until is not None
        names = ["planned"] if Status.PLANNED in statuses else []
        if not timed and (not statuses or any(not one.final and one is not Status.PLANNED for one in statuses)):
            names.append("open")
        if not statuses or any(one.final for one in statuses):
            names.append(self._name_of_ended())
        return names

    def rows(self, place: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Yield the rows behind a place.

        Raises:
            NoSuchPage: ``place`` isn't one of this list.
            ArchiveError: The archive can't be read, where that is an error; or it took too long.
        """
        names = self.names()
        start = None if place is None else _read_place(place, names)
        return self._rows(names, start)

    def found(self) -> Iterator[Execution]:
        """Yield what is wanted, all of it."""
        return (row.execution for row in self.rows() if row.execution is not None and row.fits)

    def _rows(self, names: Sequence[str], start: tuple[str, Any] | None) -> Iterator[Row]:
        if not names:
            return
        first, at = start or (names[0], None)
        for name in names[names.index(first) :]:
            for row in self._part(name)(at):
                yield row._replace(place={"part": name, "at": row.place})
            at = None

    def _part(self, name: str) -> Callable[[Any], Iterator[Row]]:
        parts = {"planned": self._planned, "open": self._open, "errors": self._errors}
        return parts.get(name, self._ended)

    def _name_of_ended(self) -> str:
        if self.wanted.helper is not None:
            return "of_helper"
        return "errors" if self.wanted.statuses == {Status.ERROR} else "ended"

    def _planned(self, at: list[int] | None) -> Iterator[Row]:
        done = at[0] if at else 0
        planned = self.plan.upcoming(helper=self.wanted.helper)
        yield from (Row([place], one, self.wanted.matches(one)) for place, one in enumerate(planned[done:], done + 1))

    def _open(self, at: list[int] | None) -> Iterator[Row]:
        records, done = self.records, at[0] if at else 0
        running = sorted((one.id for one in records.running()), reverse=True)
        seen = set(running)
        waiting = (id_ for id_ in records.waiting_ids(self._queues()) if id_ not in seen)
        ids = (id_ for part in (iter(running), waiting, records.parked_ids(self._helpers())) for id_ in part)
        places = islice(enumerate(ids, 1), done, None)
        for (place, _), one in load_rows(records, places, lambda row: row[1]):
            if not one.status.final:  # it ended a moment ago, and comes with what is over
                yield Row([place], one, self.wanted.matches(one))

    def _ended(self, at: list[Any] | None) -> Iterator[Row]:
        for place, one, fits in self._over(None if at is None else (at[0], at[1])):
            yield Row(list(place), one, fits)

    def _errors(self, at: list[Any] | None) -> Iterator[Row]:
        # Dead letters outlive the history, and the archive too; those that were replayed or deleted are only there.
        dead_at, ended_at = at or (None, None)
        marked = self._mark_dead(self._over(None if ended_at is None else (ended_at[0], ended_at[1])))
        dead = ((place, one, self.wanted.matches(one), True, True) for place, one in self._dead(dead_at))
        ended = ((place, one, fits, False, is_dead) for (place, one, fits), is_dead in marked)
        both: Iterator[tuple[EndPlace, Execution | None, bool, bool, bool]] = heapq.merge(
            dead, ended, key=lambda row: row[0], reverse=True
        )
        for place, one, fits, of_dead, is_dead in both:
            dead_at, ended_at = (list(place), ended_at) if of_dead else (dead_at, list(place))
            # Left out only here: a search for the first that isn't dead would be one through all of the history.
            if of_dead or not is_dead:
                yield Row([dead_at, ended_at], one, fits)

    def _over(self, before: EndPlace | None) -> Iterator[_Ended]:
        """Yield what is over, newest first: from Redis what was recorded after the seam, from the archive the rest."""
        self.view = self.archived.view()
        if self.view.state is not ArchiveState.READ or self.view.until_ms is None:
            self._refuse_away()
            yield from self._of_redis(before, 0)
            return
        # What is entered in the history anew, a dead letter that was deleted, is in the archive at its old place too.
        anew = set()
        for row in self._of_redis(before, self.view.until_ms):
            anew.add(row[0][1])
            yield row
        last = min(before or _NEWEST, (self.view.until_ms, ""))
        try:
            for place, one in self.archived.rows(self.wanted, last):
                last = place
                if place[1] not in anew:
                    yield place, one, one is not None and self.wanted.matches_all_but_text(one)
        except ArchiveTooSlow:
            # Only this search was: the archive is there, and without it the answer would be another.
            raise
        except ArchiveError as error:
            self.view = self.archived.away(error)
            self._refuse_away()
            yield from self._of_redis(last, 0)

    def _refuse_away(self) -> None:
        if self.strict and self.view.state is ArchiveState.AWAY:
            raise ArchiveUnavailable(self.view.problem)

    def _of_redis(self, before: EndPlace | None, least_ms: int) -> Iterator[_Ended]:
        of = self._of_stream if self.wanted.helper is None else self._of_helper
        for place, one in of(before, least_ms):
            yield place, one, self.wanted.matches(one)

    def _of_stream(self, before: EndPlace | None, least_ms: int) -> Iterator[tuple[EndPlace, Execution]]:
        since, until = self.wanted.since, self.wanted.until
        if least_ms:
            since = from_ms(least_ms) if since is None else max(since, from_ms(least_ms))
        listing = self.records.listing()
        places = listing.ended(self._queues(), self._kinds(), before=before, since=since, until=until)
        return load_rows(self.records, places, lambda place: place[1])

    def _of_helper(self, before: EndPlace | None, least_ms: int) -> Iterator[tuple[EndPlace, Execution]]:
        start = self._start(before)
        listing = self.records.listing()
        found = [listing.of_helper(name, self._kinds(), before=start) for name in self._helpers()]
        for one in heapq.merge(*found, key=end_place, reverse=True):
            place = end_place(one)
            if place[0] < least_ms or self._is_too_old(one):
                return
            yield place, one

    def _dead(self, at: list[Any] | None) -> Iterator[tuple[EndPlace, Execution]]:
        places = self.records.listing().dead(before=self._start(None if at is None else (at[0], at[1])))
        for place, one in load_rows(self.records, places, lambda place: place[1]):
            if self._is_too_old(one):
                return
            yield place, one

    def _start(self, before: EndPlace | None) -> EndPlace | None:
        """Return where to begin, if nothing after ``until`` is wanted."""
        until = self.wanted.until
        if until is None:
            return before
        return min(before or _NEWEST, (epoch_ms(until) + 1, ""))

    def _mark_dead(self, rows: Iterator[_Ended]) -> Iterator[tuple[_Ended, bool]]:
        """Yield rows with whether the dead letters have them too."""
        chunk: list[_Ended] = []
        for row in rows:
            chunk.append(row)
            # A pause is handed on at once: whoever waits for it may want no more.
            if len(chunk) == _FIRST or row[1] is None:
                yield from self._marked(chunk)
                chunk = []
        yield from self._marked(chunk)

    def _marked(self, rows: Sequence[_Ended]) -> Iterator[tuple[_Ended, bool]]:
        return zip(rows, self.records.listing().are_dead([place[1] for place, _, _ in rows]), strict=True)

    def _is_too_old(self, one: Execution) -> bool:
        since = self.wanted.since
        return since is not None and one.finished_at is not None and one.finished_at < since

    def _kinds(self) -> str:
        final = {one for one in self.wanted.statuses if one.final}
        if not final:
            return "sf"
        return ("s" if Status.SUCCESS in final else "") + ("f" if final - {Status.SUCCESS} else "")

    def _helpers(self) -> list[str]:
        wanted, rows = self.wanted.helper, self.plan.catalogue.current().rows
        names = [name for name in rows if wanted in (None, name, split_key(name)[0])]
        return names if wanted is None else sorted({wanted, *names})

    def _queues(self) -> list[str]:
        return self.queues.names() if self.wanted.queue is None else [self.wanted.queue]


def _read_place(place: Mapping[str, Any], names: Sequence[str]) -> tuple[str, Any]:
    part, at = place.get("part"), place.get("at")
    shapes: dict[str, tuple[type, ...]] = {"planned": (int,), "open": (int,), "ended": _END, "of_helper": _END}
    if part == "errors" and isinstance(at, list) and len(at) == 2:
        fits = all(one is None or fits_shape(one, _END) for one in at)
    else:
        fits = isinstance(part, str) and part in shapes and fits_shape(at, shapes[part])
    if not fits or part not in names:
        raise NoSuchPage(hint="Give the 'next_cursor' of the page before as it stands, with the same filters.")
    return str(part), at


_END: tuple[type, ...] = (int, str)


def fits_shape(at: Any, shape: Sequence[type]) -> bool:
    """Return whether ``at`` has these types; numbers are those that Redis has."""
    return (
        isinstance(at, list)
        and len(at) == len(shape)
        and all(type(one) is kind for one, kind in zip(at, shape, strict=True))
        and all(0 <= one < 2**53 for one in at if isinstance(one, int))
    )


__all__ = ["History", "Row", "fits_shape", "load_rows"]
