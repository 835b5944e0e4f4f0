"""The last and the next hours as lanes, one a helper: what ran, for how long and how it ended, and what is planned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

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
    sources: Sources, *, now: datetime, span: timedelta, text: str, sees: Callable[[Execution], bool], narrowed: bool
) -> Timeline:
    """Return what happened within ``span`` before ``now``, and what comes within ``span`` after it.

    Args:
        sources: Where it comes from.
        now: The middle.
        span: How far to either side.
        text: Only helpers whose names hold this, in any case.
        sees: Whether the caller may see an execution.
        narrowed: Whether there are any that he may not see: then all of the plan has to be looked at.
    """
    since, until = now - span, now + span
    wanted = _wanted(text, sees)
    over = find_page(sources.executions, ExecutionFilter(statuses=_FINAL, since=since), limit=MOST, fits=wanted)
    planned = sources.plan.upcoming(limit=None if narrowed or text else MOST_PLANNED)
    coming = [one for one in planned if wanted(one) and one.due_at is not None and one.due_at <= until]
    waiting = [one for one in sources.overview.waiting(wanted, limit=MOST) if since <= start_of(one) <= until]
    running = [one for one in sources.overview.running() if wanted(one)]
    lanes: dict[str, dict[str, Execution]] = {}
    # By id: what ends or starts between two of the looks is there once, as it was seen last.
    for one in (*coming[:MOST_PLANNED], *waiting, *running, *over.executions):
        lanes.setdefault(one.helper, {})[one.id] = one
    shown = [Lane(name, sorted(lanes[name].values(), key=start_of)) for name in islice(sorted(lanes), MOST_LANES)]
    oldest = over.executions[-1].finished_at if over.following is not None and over.executions else None
    is_cut = len(coming) > MOST_PLANNED or len(planned) == len(coming) == MOST_PLANNED
    return Timeline(
        since, until, shown, len(lanes) - len(shown), oldest, start_of(coming[:MOST_PLANNED][-1]) if is_cut else None
    )


def start_of(one: Execution) -> datetime:
    """Return where an execution begins: its start, or when it was or is due."""
    found = one.started_at or one.due_at or one.enqueued_at or one.finished_at
    assert found is not None  # noqa: S101 - what is neither due nor over was never anything
    return found


def _wanted(text: str, sees: Callable[[Execution], bool]) -> Callable[[Execution], bool]:
    wanted = text.strip().casefold()
    return lambda one: wanted in one.helper.casefold() and sees(one)


__all__ = ["MOST", "MOST_LANES", "MOST_PLANNED", "Lane", "Sources", "Timeline", "look_at", "start_of"]
