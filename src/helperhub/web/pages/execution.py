"""One execution: its story from due to end, errors, log and progress, what it was given, and why it waits."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response

from helperhub.api.access import Caller, of_session
from helperhub.api.routes.executions import seen
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.model.execution import Execution, Status
from helperhub.services.undo import Change
from helperhub.web.notice import done, lead_to
from helperhub.web.pages.undo import way_back
from helperhub.web.render import Pages, show_json

#: What a page shows of a value, characters; all of it is in the API.
_MOST_SHOWN = 50_000
_REPLAYED = re.compile(r" \(replayed as (.+)\)$", re.DOTALL)
_BY = "cancelled on the dashboard"
_TRIGGERS = {
    "schedule": "by its schedule",
    "manual": "by a person",
    "code": "by code",
    "webhook": "by a webhook",
    "replay": "as a replay",
}
Id = Annotated[str, Path(max_length=600)]


def add_execution(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    """Add the routes under ``/executions/{id}``."""

    @routes.post("/executions/{id:path}/replay", **of_session(Scope.RUN))
    def replay(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        seen(hub, caller, id)
        change = hub.undo.begin(Change.REPLAY)
        ((_, new),) = hub.executions.replay([id], undo=change)
        back = way_back(hub, pages, request, change)
        text = "Put back as this execution." if back else "It was replayed before, as this execution."
        return lead_to(request, f"executions/{quote(new)}", text=text, undo=back)

    @routes.post("/executions/{id:path}/cancel", **of_session(Scope.MANAGE))
    def cancel(caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        seen(hub, caller, id)
        outcome = hub.executions.cancel(id, reason=_BY)
        return done("It runs, and was asked to stop." if outcome == "asked" else "It is cancelled.")

    @routes.get("/executions/{id:path}", **of_session(Scope.READ))
    def show(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        seen(hub, caller, id)
        one = hub.executions.show(id)
        title = f"{one.helper} {one.status.value}"
        return pages.page(request, "execution.html", title=title, **_look(hub, one))


def _look(hub: Hub, one: Execution) -> dict[str, Any]:
    replayed_as = _REPLAYED.search(one.reason)
    return {
        "one": one.to_document(),
        "final": one.status.final,
        "why": _why(hub, one),
        "reason": _REPLAYED.sub("", one.reason),
        "replayed_as": replayed_as[1] if replayed_as else None,
        "dead": one.status is Status.ERROR and hub.dead_letters.is_dead(one.id),
        "waited_ms": _between(one.due_at or one.enqueued_at, one.started_at),
        "took_ms": _between(one.started_at, one.finished_at),
        "progress": _read_progress(hub.executions.progress(one.id)),
        "log": [read_line(line) for line in hub.executions.log(one.id)],
        "story": tell_story(one),
        "payload": _shorten(one.payload),
        "result": _shorten(one.result),
    }


def _why(hub: Hub, one: Execution) -> str:
    """Return what an execution waits for; empty if it is over."""
    if one.status.final:
        return ""
    try:
        return hub.why(one.id).why
    except NotFound:  # it ended a moment ago, and isn't kept
        return ""


def _read_progress(report: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a progress report with numbers only where a bar can show them."""
    if report is None:
        return None
    done, total = report.get("done"), report.get("total")
    known = isinstance(done, int | float) and isinstance(total, int | float) and 0 <= done <= total and total > 0
    return {"done": done, "total": total, "text": report.get("text") or "", "is_bar": known}


def read_line(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of a log as pages show it."""
    rest = {name: value for name, value in line.items() if name not in ("at", "level", "text")}
    return {
        "at": line.get("at"),
        "level": line.get("level", ""),
        "text": line.get("text", ""),
        "rest": show_json(rest) if rest else "",
    }


def tell_story(one: Execution) -> list[dict[str, Any]]:
    """Return what happened to an execution, and what is to come, by time.

    What the record doesn't keep, attempts between the first and the last two, is said as a number.
    """
    found: list[dict[str, Any]] = []

    def add(at: datetime | None, what: str, kind: str = "", **more: Any) -> None:
        if at is not None:
            found.append({"at": at, "what": what, "kind": kind, "note": "", "error": None, "gap_ms": None, **more})

    if one.planned_at != one.due_at:
        add(one.planned_at, "Planned for this time")
    is_again = one.status is Status.QUEUED and bool(one.errors)
    # A retry has a due time of its own, instead of the first.
    is_retry = one.due_at is not None and any(error.at and error.at < one.due_at for error in one.errors)
    due_at = one.due_at
    if due_at is not None and one.started_at is not None and not is_again:
        # The clocks that tell these two differ by some ms: what has started was due.
        due_at = min(due_at, one.started_at)
    add(due_at, f"Attempt {one.attempt} of {one.max_attempts} due" if is_retry else "Due")
    add(one.enqueued_at, f"Enqueued {_TRIGGERS[one.trigger.value]}", note=f"queue {one.queue}, priority {one.priority}")
    for error in one.errors:
        add(error.at, f"Attempt {error.attempt} of {one.max_attempts} failed", "error", error=error.to_document())
    add(one.started_at, f"Attempt {one.attempt - is_again} of {one.max_attempts} started")
    if one.status.final:
        add(one.finished_at, f"Ended: {one.status.value}", one.status.value, note=_REPLAYED.sub("", one.reason))
    else:
        add(one.expires_at, "Expires, if it hasn't started by then")
    # What happens at one moment stands in the order above.
    found.sort(key=lambda event: event["at"])
    for before, event in pairwise(found):
        event["gap_ms"] = _between(before["at"], event["at"])
    return found


def _between(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    ms = (end - start) / timedelta(milliseconds=1)
    # Of one that waits for its next attempt, the due time is that one's.
    return ms if ms >= 0 else None


def _shorten(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    text = show_json(value)
    return {"text": text[:_MOST_SHOWN], "left": max(0, len(text) - _MOST_SHOWN)}


__all__ = ["add_execution", "read_line", "tell_story"]
