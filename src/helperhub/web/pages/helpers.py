"""Helpers: the list with its switches, and the page of one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.api.named import Name, check_sees
from helperhub.errors import ArchiveError, NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.helper import split_key
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.execution_pages import find_page
from helperhub.services.helper_list import (
    HOURS,
    STATES,
    ListWish,
    Outcomes,
    failing_of,
    list_helpers,
    outcomes_of,
)
from helperhub.services.helper_times import next_times, now_of
from helperhub.services.statistics import Wish
from helperhub.web.notice import done
from helperhub.web.pages.helper_editing import add_editing, add_preview, editor_of
from helperhub.web.pages.helper_history import add_history, which_of
from helperhub.web.pages.helper_running import add_running, run_form_of
from helperhub.web.pages.helper_settings import changed_of, settings_of, variables_of
from helperhub.web.render import Pages
from helperhub.web.rows import row_of

_SHOWN = 10
_SPAN = timedelta(days=7)
_DAY = timedelta(hours=HOURS)
#: Height of the bars of a helper's last day, px.
_BARS = 22
Text = Annotated[str, Query(max_length=200)]
Number = Annotated[int, Query(ge=1, le=1_000_000)]


def build_helpers_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes under ``/helpers``; what acts stands below ``/helpers/-/``, as no helper's name begins so."""
    routes = build_router("/helpers", "dashboard")

    @routes.get("", **of_session(Scope.READ))
    def helpers(
        request: Request, caller: Caller, q: Text = "", group: Text = "plugin", state: Text = "", page: Number = 1
    ) -> Response:
        now = now_of(hub.helpers)
        failing: Collection[str] = _or(set(), lambda: failing_of(hub.statistics, now)) if state == "failing" else ()
        wish = ListWish(q, group, state, failing, page)
        return pages.page(request, "helper_list.html", title="Helpers", **_look(hub, caller, wish, now))

    @routes.get("/-/chart/{name:path}", **of_session(Scope.READ))
    def chart(request: Request, caller: Caller, name: Name) -> Response:
        check_sees(hub, caller, name)
        wish = Wish(since=now_of(hub.helpers) - _DAY, which=which_of(caller, name))
        series = _or(None, lambda: hub.statistics.series(wish, by="hour", times=True))
        return pages.part(request, "day.html", series=series)

    _add_switches(routes, hub, pages)
    for add in (add_editing, add_preview, add_running, add_history):
        add(routes, hub, pages)

    @routes.get("/{name:path}", **of_session(Scope.READ))
    def one(request: Request, caller: Caller, name: Name) -> Response:
        check_sees(hub, caller, name)
        return pages.page(request, "helper.html", title=name, **_look_at(hub, caller, name))

    return routes


def _add_switches(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.post("/-/enable/{name:path}", **of_session(Scope.MANAGE))
    def enable(request: Request, caller: Caller, name: Name) -> Response:
        check_sees(hub, caller, name)
        planned = hub.helpers.enable(name).planned
        text = f"{name} is on: {_times(planned)} planned."
        return done(text, undo=pages.path(request, f"helpers/-/disable/{name}"))

    @routes.post("/-/disable/{name:path}", **of_session(Scope.MANAGE))
    def disable(request: Request, caller: Caller, name: Name) -> Response:
        check_sees(hub, caller, name)
        removed = hub.helpers.disable(name).removed
        text = f"{name} is off: {_times(removed)} taken out of the plan."
        return done(text, undo=pages.path(request, f"helpers/-/enable/{name}"))

    @routes.post("/-/pause/{name:path}", **of_session(Scope.MANAGE))
    def pause(request: Request, caller: Caller, name: Name) -> Response:
        _check_pauses(hub, caller, name)
        hub.helpers.pause(name)
        text = f"{name} is paused: what is due waits."
        return done(text, undo=pages.path(request, f"helpers/-/resume/{name}"))

    @routes.post("/-/resume/{name:path}", **of_session(Scope.MANAGE))
    def resume(request: Request, caller: Caller, name: Name) -> Response:
        _check_pauses(hub, caller, name)
        hub.helpers.resume(name)
        text = f"{name} goes on: what waits starts."
        return done(text, undo=pages.path(request, f"helpers/-/pause/{name}"))


def _check_pauses(hub: Hub, caller: Principal, name: str) -> None:
    """Refuse a helper as `check_sees`; one of which there are only instances has no row, and can be paused too.

    Raises:
        NotFound: There is none, for all that the caller may know.
    """
    rows = hub.helpers.catalogue.current().rows
    own = [row for key, row in rows.items() if split_key(key)[0] == name]
    if name in rows or not own:
        check_sees(hub, caller, name)
    elif not all(caller.sees(name, row.spec.queue) for row in own):
        message = f"No helper is named '{name}', or it isn't one of this key's."
        raise NotFound(message)


def _look(hub: Hub, caller: Principal, wish: ListWish, now: datetime) -> dict[str, Any]:
    found = list_helpers(hub.helpers, wish, caller.sees)
    names = {one["name"] for one in found.helpers}
    outcomes = _or(None, lambda: outcomes_of(hub.statistics, names, now))
    grouped: dict[str, list[dict[str, Any]]] = {}
    for one in found.helpers:
        group = one["queue"] if wish.group == "queue" else one["plugin"]
        grouped.setdefault(group, []).append({**one, "bars": bars_of((outcomes or {}).get(one["name"]))})
    asked = {"q": wish.text, "group": wish.group, "state": wish.state}
    return {
        "found": found,
        "grouped": grouped,
        "asked": asked,
        "states": STATES,
        "has_archive": outcomes is not None,
        "query": lambda page: urlencode({**asked, "page": page}),
    }


def bars_of(outcomes: Outcomes | None) -> dict[str, Any] | None:
    """Return what the bars of a helper's last day are drawn from; None if nothing ended."""
    if outcomes is None:
        return None
    most = max(good + bad for good, bad in zip(outcomes.good, outcomes.bad, strict=True))
    if not most:
        return None
    bars = []
    for at, (good, bad) in enumerate(zip(outcomes.good, outcomes.bad, strict=True)):
        # One that failed among thousands is to be seen.
        low = max(2, round(bad * _BARS / most)) if bad else 0
        high = min(_BARS - low, max(2, round(good * _BARS / most))) if good else 0
        bars.append({"x": at * 5, "good": high, "bad": low, "good_y": _BARS - low - high, "bad_y": _BARS - low})
    return {"bars": bars, "good": sum(outcomes.good), "bad": sum(outcomes.bad)}


def _look_at(hub: Hub, caller: Principal, name: str) -> dict[str, Any]:
    row, now = hub.helpers.row(name), now_of(hub.helpers)
    document = hub.helpers.show(name)
    whole = split_key(name)[0]
    recent = find_page(hub.executions, ExecutionFilter(helper=name), limit=_SHOWN, sees=caller.sees)
    wish = Wish(since=now - _SPAN, which=which_of(caller, name))
    return {
        "one": document,
        "times": next_times(row.spec, now=now, default_tz=hub.helpers.default_tz, count=_SHOWN),
        "recent": [row_of(one) for one in recent.executions],
        "figures": _or(None, lambda: hub.statistics.summary(wish)),
        "author": f"{row.spec.plugin} {row.spec.plugin_version}".strip() or "the hub",
        "whole": whole,
        "may_pause": caller.sees(whole, row.spec.queue),
        "is_declared": row.declared is not None,
        "edit": editor_of(row, document),
        "run": run_form_of(row),
        "settings": settings_of(hub, row, document),
        "changed": changed_of(row),
        # As on the page of settings: for admins of the whole hub.
        "variables": variables_of(hub, row.spec.plugin) if caller.may(Scope.ADMIN) and not caller.is_narrowed else [],
    }


def _times(count: int) -> str:
    return f"{count} due time{'' if count == 1 else 's'}"


def _or(otherwise: Any, ask: Callable[[], Any]) -> Any:
    """Return an answer of the archive, or ``otherwise`` where there is none to ask."""
    try:
        return ask()
    except (ArchiveError, NotFound):
        return otherwise
