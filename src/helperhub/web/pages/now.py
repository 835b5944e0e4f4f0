"""The first page: whether all is well, what runs, what comes next, what failed and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.errors import ArchiveError, NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution, Status
from helperhub.model.instant import parse_instant
from helperhub.services.archive_status import LATE
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.execution_pages import find_page
from helperhub.services.statistics import Wish
from helperhub.web.kept import Kept
from helperhub.web.render import Pages, show_size, show_span
from helperhub.web.rows import row_of

T = TypeVar("T")
_SHOWN = 12
_LATELY = timedelta(hours=1)
_CHART = timedelta(hours=24)
_MS = timedelta(milliseconds=1)


def build_now_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the first page."""
    routes = build_router("", "dashboard")
    kept = Kept()

    @routes.get("/", **of_session(Scope.READ))
    def now(request: Request, caller: Caller) -> Response:
        return pages.page(request, "now.html", title="Now", **look(hub, caller))

    @routes.get("/now/chart", **of_session(Scope.READ))
    def chart(request: Request, caller: Caller) -> Response:
        # Sums are of the whole hub: who sees a part of it has no chart.
        series = None if caller.is_narrowed else kept.ask("chart", lambda: _series(hub))
        return pages.part(request, "day.html", series=series)

    return routes


def look(hub: Hub, caller: Principal) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        StoreError: Redis is away.
    """
    status = hub.overview.status()
    at = parse_instant(status["at"])

    def sees(one: Execution) -> bool:
        return caller.sees(one.helper, one.queue)

    running = [one for one in hub.overview.running() if sees(one)]
    waiting = hub.overview.waiting(sees, limit=_SHOWN)
    upcoming = [one for one in hub.plan.upcoming(limit=_SHOWN * 4) if sees(one)][:_SHOWN]
    failed = find_page(
        hub.executions,
        ExecutionFilter(statuses=frozenset({Status.ERROR, Status.EXPIRED}), since=at - _LATELY),
        limit=_SHOWN,
        sees=caller.sees,
    )
    return {
        "status": status,
        "at": at,
        "running": [one.to_document() for one in running[:_SHOWN]],
        "running_count": len(running),
        "waiting": [one.to_document() for one in waiting],
        "upcoming": [one.to_document() for one in upcoming],
        "failed": [row_of(one) for one in failed.executions],
        "state": _state_of(status, running),
        "redis": _redis(status["redis"]),
        "archive": _archive(hub),
    }


def _redis(servers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the servers use together, None if one can't be asked; and what to know beside it."""
    used = [server["used_memory_bytes"] for server in servers]
    most = [server["max_memory_bytes"] for server in servers]
    words = f"of {show_size(sum(most))}" if all(most) else "no limit set"
    if len(servers) > 1:
        words += f", {len(servers)} servers"
    return {"used": None if None in used else sum(used), "note": words}


def _archive(hub: Hub) -> dict[str, str]:
    """Return how far the archive is behind, and what to know beside it."""
    if not hub.settings.archive.enabled:
        return {"word": "off", "note": "HELPERHUB_ARCHIVE__ENABLED", "kind": ""}
    lag = hub.archive_status.lag()
    if lag is None:
        return {"word": "none", "note": "helperhub archiver fills it", "kind": ""}
    return {"word": show_span(lag / _MS), "note": "behind", "kind": "bad" if lag > LATE else ""}


def _state_of(status: dict[str, Any], running: list[Execution]) -> str:
    """Return one word: ``down``, ``degraded``, ``busy`` or ``idle``."""
    if not status["workers"]["processes"] and not status["schedulers"]["at_work"]:
        return "down"
    if status["problems"] or status["alerts"]["firing"]:
        return "degraded"
    return "busy" if running or status["queues"]["waiting"] else "idle"


def _series(hub: Hub) -> dict[str, Any] | None:
    """Return executions by hour of the last day; None where there is no archive to ask."""
    return _or_none(lambda: hub.statistics.series(Wish(since=_ago(hub)), by="hour", times=True))


def _ago(hub: Hub) -> datetime:
    return hub.overview.now() - _CHART


def _or_none(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (ArchiveError, NotFound):
        return None
