"""The timeline: lanes by helper around now, and what a person does about one planned execution."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter

from helperhub.api.access import Caller, build_router, of_session
from helperhub.errors import HelperHubError, NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.duration import format_duration, parse_duration
from helperhub.model.execution import Execution, Status
from helperhub.model.instant import parse_instant, to_rfc3339
from helperhub.services.helper_times import now_of
from helperhub.services.plan import PlanChange
from helperhub.services.timeline import Lane, Sources, Timeline, look_at, start_of
from helperhub.web.forms import Form
from helperhub.web.notice import done, lead_to
from helperhub.web.render import Pages, show_span

#: How far to either side, by the word of the address.
SPANS = {"30m": timedelta(minutes=30), "2h": timedelta(hours=2), "6h": timedelta(hours=6)}
#: Width of a lane in its own units, and the least that a bar has of them.
_WIDTH, _LEAST = 1000.0, 4.0
_MOST_REASON = 500
_DURATION = re.compile(r"(in\s+)?(\d.*[a-z])", re.IGNORECASE)
Text = Annotated[str, Query(max_length=200)]
Id = Annotated[str, PathParameter(max_length=300)]


def build_timeline_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes under ``/timeline``."""
    routes = build_router("/timeline", "dashboard")

    @routes.get("", **of_session(Scope.READ))
    def timeline(request: Request, caller: Caller, span: Text = "2h", q: Text = "", rows: Text = "") -> Response:
        chosen = span if span in SPANS else "2h"
        now = now_of(hub.helpers)
        found = look_at(
            Sources(hub.executions, hub.plan, hub.overview),
            now=now,
            span=SPANS[chosen],
            text=q,
            sees=caller.sees,
        )
        query = urlencode({"span": chosen, "q": q})
        shown: dict[str, Any] = {
            "span": chosen,
            "spans": list(SPANS),
            "q": q,
            "query": query,
            "most": 1000 if rows == "all" else 20,
        }
        ahead = hub.helpers.planner.window
        shown["ahead"] = format_duration(ahead) if ahead < SPANS[chosen] else ""
        return pages.page(request, "timeline.html", title="Timeline", **shown, **_draw(found, now))

    @routes.get("/planned/{id:path}", **of_session(Scope.READ))
    def planned(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        one = _find(hub, caller, id)
        return pages.page(
            request, "planned.html", title=one.helper, one=one.to_document(), whose=one.helper, problem=None
        )

    @routes.post("/skip/{id:path}", **of_session(Scope.MANAGE))
    def skip(request: Request, caller: Caller, id: Id, form: Form) -> Response:  # noqa: A002 - as above
        one = _find(hub, caller, id)
        hub.plan.skip(id, reason=_reason(form))
        return _after(request, f"{one.helper} is skipped this time.", form)

    @routes.post("/run/{id:path}", **of_session(Scope.RUN))
    def run(request: Request, caller: Caller, id: Id, form: Form) -> Response:  # noqa: A002 - as above
        one = _find(hub, caller, id)
        hub.plan.run(id, reason=_reason(form))
        return _after(request, f"{one.helper} is due now.", form)

    @routes.post("/move/{id:path}", **of_session(Scope.MANAGE))
    def move(request: Request, caller: Caller, id: Id, form: Form) -> Response:  # noqa: A002 - as above
        one = _find(hub, caller, id)
        try:
            changed = _move(hub, id, form)
        except HelperHubError as error:
            shown = {"one": one.to_document(), "whose": one.helper, "problem": error}
            return pages.part(request, "planned_move.html", **shown, to=form.get("to", ""), reason=_reason(form))
        due = to_rfc3339(changed.due_at) if changed.due_at else "never"
        return _after(request, f"{one.helper} is due at {due} now.", form)

    return routes


def _find(hub: Hub, caller: Principal, execution_id: str) -> Execution:
    """Return a planned execution.

    Raises:
        NotFound: It isn't planned, for all that the caller may know.
    """
    found = hub.plan.get(execution_id)
    if found is None or not caller.sees(found.helper, found.queue):
        message = f"'{execution_id}' isn't planned, or isn't any more."
        raise NotFound(message, hint="The timeline shows what is.")
    return found


def _move(hub: Hub, execution_id: str, form: Form) -> PlanChange:
    text = form.get("to", "").strip()
    in_a_while = _DURATION.fullmatch(text)
    if in_a_while is not None and "T" not in text:
        to = now_of(hub.helpers) + parse_duration(in_a_while[2])
    else:
        to = parse_instant(text)
    return hub.plan.move(execution_id, to=to, reason=_reason(form))


def _reason(form: Form) -> str:
    return form.get("reason", "")[:_MOST_REASON]


def _after(request: Request, text: str, form: Form) -> Response:
    """Return what tells of a change; from the page of the planned one, which is over, the way leads back."""
    return lead_to(request, "timeline", text=text) if form.get("from") == "page" else done(text)


def _draw(found: Timeline, now: datetime) -> dict[str, Any]:
    """Return what the lanes are drawn from, and the same as rows."""
    length = (found.until - found.since).total_seconds()
    steps = [found.since + (found.until - found.since) * part / 4 for part in range(5)]
    rows = [one for lane in found.lanes for one in lane.executions]
    coming = sorted((one for one in rows if one.status is Status.PLANNED), key=start_of)
    past = sorted((one for one in rows if one.status is not Status.PLANNED), key=start_of, reverse=True)
    return {
        "found": found,
        "lanes": [
            {"helper": lane.helper, "count": len(lane.executions), "bars": _bars(lane, found.since, length, now)}
            for lane in found.lanes
        ],
        "steps": steps,
        "coming": [_row(one, now) for one in coming],
        "past": [_row(one, now) for one in past],
    }


def _bars(lane: Lane, since: datetime, length: float, now: datetime) -> list[dict[str, Any]]:
    """Return a lane's bars; what ended alike and is too near to tell apart is one, which leads to the helper."""
    bars: list[_Bar] = []
    last: dict[Status, _Bar] = {}
    for one in lane.executions:
        start, end = start_of(one), _end_of(one, now)
        x = max(0.0, (start - since).total_seconds() / length * _WIDTH)
        until = min(_WIDTH, max(x + _LEAST, (end - since).total_seconds() / length * _WIDTH))
        # What is planned for the very end is to be seen, too.
        x = min(x, _WIDTH - _LEAST)
        before = last.get(one.status)
        if before is not None and x < before.until + 1:
            before.until = max(before.until, until)
            before.executions.append(one)
        else:
            last[one.status] = _Bar(x, until, [one])
            bars.append(last[one.status])
    return [bar.document(now) for bar in bars]


@dataclass(slots=True)
class _Bar:
    x: float
    until: float
    executions: list[Execution]

    def document(self, now: datetime) -> dict[str, Any]:
        first, last = self.executions[0], self.executions[-1]
        if first is last:
            title, path = _title(first, now), _path(first)
        else:
            span = f"{start_of(first):%H:%M:%S} to {start_of(last):%H:%M:%S} UTC"
            title, path = (
                f"{first.helper}: {len(self.executions)} {first.status.value}, {span}",
                f"helpers/{first.helper}",
            )
        drawn = {"x": f"{self.x:.1f}", "width": f"{self.until - self.x:.1f}", "status": first.status.value}
        return drawn | {"title": title, "path": path}


def _end_of(one: Execution, now: datetime) -> datetime:
    """Return where its bar ends: what didn't start, or is to come, has no length."""
    if one.started_at is None:
        return start_of(one)
    return one.finished_at or now


def _took(one: Execution, now: datetime) -> float | None:
    if one.started_at is None or (one.finished_at is None and one.status is not Status.RUNNING):
        return None
    return ((one.finished_at or now) - one.started_at).total_seconds() * 1000


def _title(one: Execution, now: datetime) -> str:
    ms = _took(one, now)
    took = f", {show_span(ms)}" if ms is not None else ""
    return f"{one.helper}: {one.status.value}{took}, {start_of(one):%H:%M:%S} UTC"


def _path(one: Execution) -> str:
    kind = "timeline/planned" if one.status is Status.PLANNED else "executions"
    return f"{kind}/{quote(one.id)}"


def _row(one: Execution, now: datetime) -> dict[str, Any]:
    return {**one.to_document(), "name": one.helper, "at": start_of(one), "took": _took(one, now), "path": _path(one)}
