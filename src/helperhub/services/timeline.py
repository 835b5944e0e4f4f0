"""The last and the next hours as lanes, one a helper: what ran, for how long and how it ended, and what is planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from helperhub.model.execution import Execution, Status
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.execution_pages import find_page
from helperhub.services.executions import Executions
from helperhub.services.overview import Overview
from helperhub.services.plan import Plan

#: Drawn at most of what is over and of what waits, and of what is planned: reading these takes less than 0.2 s.
MOST, MOST_PLANNED = 1500, 4000
#: Lanes, at most.
MOST_LANES = 60
_FINAL = frozenset(status for status in Status if status.final)


@dataclass(frozen=True, slots=True)
class Lane:
    """One helper's part.

    Args:
        helper: ``helper[/instance]``.
        executions: What ran, runs, or is planned, by time.
    """

    helper: str
    executions: Sequence[Execution]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What there is to draw.

    Args:
        since: Where it begins.
        until: Where it ends.
        lanes: By helper's name, `MOST_LANES` at most.
        hidden: How many more lanes there are.
        full_since: Of what is over, all since then is in it; None where all is.
        full_until: Of what is planned, all until then is in it; None where all is.
    """

    since: datetime
    until: datetime
    lanes: Sequence[Lane]
    hidden: int
    full_since: datetime | None
    full_until: datetime | None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it comes from: what is over, what is planned, what runs right now, and what waits to."""

    executions: Executions
    plan: Plan
    overview: Overview


def look_at(
    sources: Sources, *, now: datetime, span: timedelta, text: str, sees: Callable[[str, str], bool]
) -> Timeline:
    """Return what happened within ``span`` before ``now``, and what comes within ``span`` after it.

    Args:
        sources: Where it comes from.
        now: The middle.
        span: How far to either side.
        text: Only helpers whose names hold this, in any case.
        sees: Tells by helper and queue whether the caller may see it.
    """
    since, until, wanted = now - span, now + span, _wanted(text, sees)
    fits = lambda one: wanted(one.helper, one.queue)  # noqa: E731 - of executions, the same
    over = find_page(sources.executions, ExecutionFilter(statuses=_FINAL, since=since), limit=MOST, fits=fits)
    waiting = [one for one in sources.overview.waiting(fits, limit=MOST) if since <= start_of(one) <= until]
    past = [*waiting, *filter(fits, sources.overview.running()), *over.executions]
    ran = {one.helper for one in past}
    due = sources.plan.due_until(until, wanted)
    # Where there are too many, those that ran are more than those that are only planned; of either, by name.
    names = [*sorted(ran), *(name for name in due if name not in ran)]
    chosen = frozenset(names[:MOST_LANES])
    planned = sources.plan.upcoming(among=sorted(chosen), limit=MOST_PLANNED)
    coming = [one for one in planned if one.due_at is not None and one.due_at <= until]
    lanes: dict[str, dict[str, Execution]] = {}
    # By id: what ends or starts between two of the looks is there once, as it was seen last.
    for one in (*coming, *past):
        if one.helper in chosen:
            lanes.setdefault(one.helper, {})[one.id] = one
    return Timeline(
        since,
        until,
        [Lane(name, sorted(lanes[name].values(), key=start_of)) for name in sorted(lanes)],
        len(names) - len(chosen),
        over.executions[-1].finished_at if over.following is not None and over.executions else None,
        coming[-1].due_at if len(coming) == MOST_PLANNED else None,
    )


def start_of(one: Execution) -> datetime:
    """Return where an execution begins: its start, or when it was or is due."""
    found = one.started_at or one.due_at or one.enqueued_at or one.finished_at
    assert found is not None  # noqa: S101 - what is neither due nor over was never anything
    return found


def _wanted(text: str, sees: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    part = text.strip().casefold()
    return lambda helper, queue: part in helper.casefold() and sees(helper, queue)


__all__ = ["MOST", "MOST_LANES", "MOST_PLANNED", "Lane", "Sources", "Timeline", "look_at", "start_of"]
