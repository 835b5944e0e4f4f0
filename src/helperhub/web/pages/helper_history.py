"""What became of a helper: a calendar of outcomes, how long it runs, and the last lines of its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Request, Response

from helperhub.api.access import Caller, of_session
from helperhub.api.named import Name, check_sees
from helperhub.archive.statistics import Which
from helperhub.errors import ArchiveError, NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Status
from helperhub.model.histogram import step_of
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.execution_pages import find_page
from helperhub.services.helper_history import RUN_SPAN, WEEKS, Day, RunTimes, days_of, run_times_of
from helperhub.web.confirm import problem_of
from helperhub.web.pages.execution import read_line
from helperhub.web.render import Pages, show_span

#: A cell of the calendar with its gap, px, and the room for weekdays and months.
_CELL, _LEFT, _TOP = 17, 30, 18
#: Size of the chart of run times, in its own units.
_WIDE, _HIGH = 420, 120
#: Shares of a day's executions that failed from which it is drawn as bad rather than mixed.
_BAD_SHARE = 0.1
_SHADES = 3
_LOOKED, _TOLD, _LINES = 10, 3, 20
_SILENT = frozenset({Status.PLANNED, Status.QUEUED})


def add_history(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    """Add what the page of a helper asks for after it is shown."""

    @routes.get("/-/history/{name:path}", **of_session(Scope.READ))
    def history(request: Request, caller: Caller, name: Name) -> Response:
        check_sees(hub, caller, name)
        which = which_of(caller, name)
        given: dict[str, Any] = {"helper": name, "weeks": WEEKS, "run_days": RUN_SPAN.days, "problem": ""}
        try:
            days, ran = days_of(hub.statistics, which), run_times_of(hub.statistics, which)
        except (ArchiveError, NotFound) as error:
            given["problem"] = problem_of(error)
        else:
            given |= {"calendar": draw_calendar(days), "runs": draw_run_times(ran)}
            given["days"] = [day for day in reversed(days) if day.total]
        return pages.part(request, "helper_history.html", **given)

    @routes.get("/-/log/{name:path}", **of_session(Scope.READ))
    def log(request: Request, caller: Caller, name: Name) -> Response:
        check_sees(hub, caller, name)
        return pages.part(request, "helper_log.html", executions=_told(hub, caller, name))


def which_of(caller: Principal, name: str) -> Which:
    """Return whose executions those of a helper are, as far as the caller may see them."""
    return Which(helper=name, helpers=caller.helpers, queues=caller.queues)


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of the calendar: where it is drawn, and how."""

    x: int
    y: int
    kind: str
    text: str


def draw_calendar(days: Sequence[Day]) -> dict[str, Any]:
    """Return cells week by week, with the months' names; the first day is a Monday."""
    most = max((day.total for day in days), default=0)
    cells = [
        Cell(_LEFT + at // 7 * _CELL, _TOP + at % 7 * _CELL, _kind_of(day, most), _words(day))
        for at, day in enumerate(days)
    ]
    width = _LEFT + -(-len(days) // 7) * _CELL
    return {
        "cells": cells,
        "months": list(_months(days)),
        "weekdays": [(_TOP + at * _CELL + 11, text) for at, text in ((0, "Mon"), (2, "Wed"), (4, "Fri"))],
        "width": width,
        "height": _TOP + 7 * _CELL,
        "total": sum(day.total for day in days),
        "bad": sum(1 for day in days if day.bad),
    }


def _kind_of(day: Day, most: int) -> str:
    if not day.total:
        return "none"
    if day.bad:
        return "bad" if day.bad / day.total >= _BAD_SHARE else "mixed"
    return f"good-{max(1, -(-day.total * _SHADES // most))}"


def _words(day: Day) -> str:
    told = [f"{count:,} {name}" for name, count in day.counts.items() if count]
    return f"{day.day.isoformat()}: {', '.join(told) or 'nothing ended'}"


def _months(days: Sequence[Day]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    before: date | None = None
    for at in range(0, len(days), 7):
        day = days[at].day
        # Beside the edge, or close behind another, there is no room for a name.
        if before is not None and day.month != before.month and len(days) - at > 7:
            found.append((_LEFT + at // 7 * _CELL, f"{day:%b}"))
        before = day
    return found


def draw_run_times(ran: RunTimes) -> dict[str, Any] | None:
    """Return bars, their table, and where the percentiles are; None if nothing ran."""
    bars = ran.bars
    if not bars:
        return None
    steps = bars[-1].last - bars[0].first + 1
    wide, most, total = _WIDE / len(bars), max(bar.count for bar in bars), sum(bar.count for bar in bars)
    drawn = []
    for at, bar in enumerate(bars):
        # One among thousands is to be seen.
        high = max(2, round(bar.count * _HIGH / most)) if bar.count else 0
        span = f"{show_span(bar.above_ms)} to {show_span(bar.until_ms)}"
        words = f"{span}: {bar.count:,}"
        drawn.append({"x": round(at * wide, 1), "y": _HIGH - high, "high": high, "text": words})
    marks = []
    for name in ("p50", "p95", "p99"):
        ms = ran.times[f"{name}_ms"]
        if ms is not None:
            at_step = step_of(ms) - bars[0].first + 0.5
            marks.append({"name": name, "x": round(min(max(at_step / steps, 0), 1) * _WIDE, 1), "ms": ms})
    rows = [(bar.above_ms, bar.until_ms, bar.count, bar.count / total) for bar in bars if bar.count]
    middle = bars[len(bars) // 2]
    return {
        "bars": drawn,
        "wide": round(wide - 1.5, 1),
        "marks": marks,
        "rows": rows,
        "total": total,
        "times": ran.times,
        "width": _WIDE,
        "height": _HIGH,
        "ends": (bars[0].above_ms, middle.above_ms, bars[-1].until_ms),
    }


def _told(hub: Hub, caller: Principal, name: str) -> list[dict[str, Any]]:
    """Return the last executions that have logged something, with their last lines."""
    recent = find_page(hub.executions, ExecutionFilter(helper=name), limit=_LOOKED, sees=caller.sees)
    found: list[dict[str, Any]] = []
    for one in recent.executions:
        if one.status in _SILENT or len(found) == _TOLD:
            continue
        lines = hub.executions.log(one.id)
        if lines:
            shown = [read_line(line) for line in lines[-_LINES:]]
            found.append({"one": one.to_document(), "lines": shown, "left": len(lines) - len(shown)})
    return found


__all__ = ["add_history", "draw_calendar", "draw_run_times", "which_of"]
