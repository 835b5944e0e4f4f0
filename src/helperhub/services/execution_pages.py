"""Executions page by page: each page starts where the one before ended, however many came before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from helperhub.errors import NoSuchPage
from helperhub.model.execution import Execution
from helperhub.services.archived import ArchiveView
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.executions import Executions
from helperhub.services.history import Row, fits_shape
from helperhub.store.listing import EndPlace

#: Looked at for one page, beyond its length: a page of what is rare may be short, and says where to go on.
MOST_LOOKED = 100
#: A page that the archive has found nothing for is given up after so long, s.
_PATIENCE_S = 0.1


@dataclass(frozen=True, slots=True)
class Page:
    """A page of executions.

    Args:
        executions: Newest first.
        following: Where the next page starts; None if this is the last.
        archive: What the archive gave to it; None where it wasn't asked.
    """

    executions: Sequence[Execution]
    following: Mapping[str, Any] | None
    archive: ArchiveView | None = None


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
        ArchiveTooSlow: The archive took too long for this search.
    """
    history = executions.history(wanted)
    page = take_page(history.rows(place), lambda one: sees(one.helper, one.queue) and fits(one), limit=limit)
    return replace(page, archive=history.view)


def take_page(rows: Iterable[Row], sees: Callable[[Execution], bool], *, limit: int) -> Page:
    """Return a page of those rows that are wanted and seen.

    It ends after looking at `MOST_LOOKED` more than its length at most, or at a pause after a while.
    """
    found: list[Execution] = []
    last: Any = None
    give_up_at = time.monotonic() + _PATIENCE_S
    for looked, row in enumerate(rows):
        if len(found) == limit or looked == limit + MOST_LOOKED:
            return Page(found, last)
        last = row.place
        if row.execution is None:
            if time.monotonic() > give_up_at:
                return Page(found, last)
        elif row.fits and sees(row.execution):
            found.append(row.execution)
    return Page(found, None)


def read_end_place(place: Mapping[str, Any] | None) -> EndPlace | None:
    """Return the place that a page of dead letters starts behind; None for the first.

    Raises:
        NoSuchPage: It isn't one.
    """
    if place is None:
        return None
    at = place.get("at")
    if not isinstance(at, list) or not fits_shape(at, (int, str)):
        raise NoSuchPage
    return at[0], at[1]


__all__ = ["MOST_LOOKED", "Page", "find_page", "read_end_place", "take_page"]
