"""The dashboard's routes, added to the app that serves the API: one guard stands before both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from helperhub.api.access import COOKIE, PUBLIC, Caller, build_router, needs, of_session
from helperhub.api.broadcast import Broadcast
from helperhub.errors import StoreError, Unauthenticated
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.web import errors
from helperhub.web.live import Changes
from helperhub.web.pages.alerts import build_alerts_page
from helperhub.web.pages.audit import build_audit_page
from helperhub.web.pages.dead import build_dead_page
from helperhub.web.pages.executions import build_executions_page
from helperhub.web.pages.helpers import build_helpers_page
from helperhub.web.pages.keys import build_keys_page
from helperhub.web.pages.now import build_now_page
from helperhub.web.pages.palette import build_palette
from helperhub.web.pages.plugins import build_plugins_page
from helperhub.web.pages.queues import build_queues_page
from helperhub.web.pages.settings import build_settings_page
from helperhub.web.pages.sign_in import build_sign_in
from helperhub.web.pages.statistics import build_statistics_page
from helperhub.web.pages.timeline import build_timeline_page
from helperhub.web.pages.undo import build_undo
from helperhub.web.pages.webhooks import build_webhooks_page
from helperhub.web.pages.workers import build_workers_page
from helperhub.web.render import Pages
from helperhub.web.static_files import serve_file

UI = "/ui"
BuildPage = Callable[[Hub, Pages], APIRouter]
#: Each page by its path below /ui.
BUILDERS: dict[str, BuildPage] = {
    "": build_now_page,
    "queues": build_queues_page,
    "workers": build_workers_page,
    "alerts": build_alerts_page,
    "webhooks": build_webhooks_page,
    "keys": build_keys_page,
    "executions": build_executions_page,
    "dead": build_dead_page,
    "helpers": build_helpers_page,
    "audit": build_audit_page,
    "statistics": build_statistics_page,
    "plugins": build_plugins_page,
    "settings": build_settings_page,
    "timeline": build_timeline_page,
}


def add_dashboard(app: FastAPI, hub: Hub, broadcast: Broadcast) -> None:
    """Add the dashboard to an app, unless HELPERHUB_WEB__DASHBOARD is false."""
    if not hub.settings.web.dashboard:
        return
    pages = Pages(hub.settings.hub, set(BUILDERS))
    app.include_router(build_sign_in(hub, pages), prefix=UI)
    for build in BUILDERS.values():
        app.include_router(build(hub, pages), prefix=UI)
    app.include_router(build_undo(hub, pages), prefix=UI)
    app.include_router(build_palette(hub, pages), prefix=UI)
    app.include_router(_build_rest(hub, broadcast), prefix=UI)
    errors.install(app, pages)

    @app.get("/", include_in_schema=False, **_public())
    def to_dashboard(request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}{UI}/", 307)


def _build_rest(hub: Hub, broadcast: Broadcast) -> APIRouter:
    routes = build_router("", "dashboard")

    @routes.get("/static/{path:path}", include_in_schema=False, **_public())
    def static(request: Request, path: str) -> Response:
        return serve_file(path, accepts=request.headers.get("accept-encoding", ""))

    @routes.get("/events", **of_session(Scope.READ))
    async def events(request: Request, caller: Caller) -> Response:
        token = request.cookies.get(COOKIE, "")

        async def is_welcome() -> bool:
            try:
                await run_in_threadpool(hub.sessions.find, token)
            except Unauthenticated:
                return False
            except StoreError:  # it is away: nobody's session can have ended either
                return True
            return True

        await run_in_threadpool(broadcast.live.now)
        return Changes(broadcast, lambda outcome: caller.sees(outcome.helper, outcome.queue), is_welcome)

    return routes


def _public() -> dict[str, Any]:
    found = needs(PUBLIC)
    return {"openapi_extra": found["openapi_extra"]}
