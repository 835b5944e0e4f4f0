"""The HTTP app: its middleware, outermost first, and its routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import APIRouter, Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware

from helperhub import __version__
from helperhub.api import idempotency, problems
from helperhub.api.access import Guard, scopes_of
from helperhub.api.broadcast import Broadcast
from helperhub.api.compat import build_compat_routes
from helperhub.api.describe import add_description
from helperhub.api.idempotency import Keeping, Once
from helperhub.api.methods import Methods
from helperhub.api.routes.alerts import build_alert_routes, build_alert_rule_routes
from helperhub.api.routes.audit import build_audit_routes
from helperhub.api.routes.callbacks import build_callback_routes
from helperhub.api.routes.dead_letters import build_dead_letter_routes
from helperhub.api.routes.executions import build_execution_routes
from helperhub.api.routes.health import build_health_routes
from helperhub.api.routes.helpers import build_helper_routes
from helperhub.api.routes.keys import build_key_routes
from helperhub.api.routes.live import build_live_routes
from helperhub.api.routes.metrics import build_metrics_routes
from helperhub.api.routes.plan import build_plan_routes
from helperhub.api.routes.queues import build_queue_routes, build_worker_routes
from helperhub.api.routes.reports import build_report_routes
from helperhub.api.routes.statistics import build_statistics_routes
from helperhub.api.routes.system import build_system_routes
from helperhub.api.routes.undo import build_undo_routes
from helperhub.api.routes.views import build_view_routes
from helperhub.api.routes.webhook import build_webhook_route
from helperhub.api.routes.webhooks import build_webhook_routes
from helperhub.api.shield import LOOPBACK_NAMES, Shield
from helperhub.api.throttle import Throttle
from helperhub.api.tracing import Tracing
from helperhub.errors import StoreError
from helperhub.hub import Hub

API = "/api/v1"
#: Adds the routes of another face to the app, which guards them as its own.
AddRoutes = Callable[[FastAPI, Hub, Broadcast], None]
#: FastAPI's own spans and log records hold paths, and so webhooks' tokens, and exceptions' texts: see `api.tracing`.
_UNTOLD: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
_ABOUT = """\
Everything that the command line does, over HTTP.

Send a key as `Authorization: Bearer hh_...`; `helperhub keys create` makes one. `x-scope` at each route says which
scope it needs: `read`, `run`, `manage` (also reads and runs) or `admin` (everything). Errors are RFC 9457 problem
details, and say what to do. Times are RFC 3339 in UTC, durations have a unit (`30s`, `5m`, `2h`).
"""


def build_app(hub: Hub, *, host: str | None = None, add: Sequence[AddRoutes] = ()) -> FastAPI:
    """Return the app that serves ``hub``.

    Args:
        hub: What is served.
        host: Where it listens, if that isn't HELPERHUB_WEB__HOST; requests may be for it.
        add: Add other faces' routes.

    Raises:
        ValueError: A route doesn't say who may call it.
    """
    web = hub.settings.web
    throttle = Throttle(per_minute=web.rate, failures_per_minute=web.failures)
    guard = Guard(hub.api_keys, throttle, open_reads=web.open_reads, accepting=hub.accepting, sessions=hub.sessions)
    once = Once(hub.kept_answers, hub.accepting)
    hosts = {*LOOPBACK_NAMES, host or web.host, *web.allowed_hosts}
    app = FastAPI(
        title="HelperHub",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # Would answer with an address made of what the client says it is, and by http behind a proxy that ends TLS.
        redirect_slashes=False,
        telemetry=_UNTOLD,
        dependencies=[Depends(guard), Depends(once)],
        lifespan=_lifespan(hub),
        middleware=[
            *([Middleware(Tracing, traces=hub.traces)] if hub.traces is not None else []),
            Middleware(
                Shield,
                hosts=hosts,
                max_body=web.max_body,
                patience_s=web.patience.total_seconds(),
            ),
            Middleware(Methods),
            Middleware(Keeping, kept=hub.kept_answers, accepting=hub.accepting),
        ],
    )
    problems.install(app)
    idempotency.install(app)
    app.include_router(build_health_routes(hub))
    app.include_router(build_webhook_route(hub))
    app.include_router(build_metrics_routes(hub))
    for routes in _versioned(hub):
        app.include_router(routes, prefix=API)
    broadcast = Broadcast(hub.live)
    app.state.on_stop = broadcast.stop  # see `server.Server`
    app.include_router(build_live_routes(hub, broadcast), prefix=API)
    for routes in build_compat_routes(hub):
        app.include_router(routes)
    add_description(app)
    for add_routes in add:
        add_routes(app, hub, broadcast)
    scopes_of(app)
    return app


def _lifespan(hub: Hub) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        hub.accepting.start()
        warming = asyncio.create_task(run_in_threadpool(_warm, hub))
        yield
        await warming
        await run_in_threadpool(hub.accepting.stop)

    return lifespan


def _warm(hub: Hub) -> None:
    """Read the catalogue, so that of 10,000 helpers nobody's first request has to check all signatures."""
    with suppress(StoreError):  # whoever asks for something is told
        hub.catalogue.current()


def _versioned(hub: Hub) -> Sequence[APIRouter]:
    return (
        build_helper_routes(hub),
        build_plan_routes(hub),
        build_execution_routes(hub),
        build_dead_letter_routes(hub),
        build_callback_routes(hub),
        build_alert_routes(hub),
        build_alert_rule_routes(hub),
        build_queue_routes(hub),
        build_worker_routes(hub),
        build_key_routes(hub),
        build_audit_routes(hub),
        build_webhook_routes(hub),
        build_system_routes(hub),
        build_statistics_routes(hub),
        build_report_routes(hub),
        build_undo_routes(hub),
        build_view_routes(hub),
    )
