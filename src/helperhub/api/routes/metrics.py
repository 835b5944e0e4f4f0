"""``/metrics``: the hub in figures, for Prometheus and what reads its text format."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from helperhub.api.access import needs
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.telemetry.metrics import MEDIA_TYPE

_EXAMPLE = 'helperhub_executions_finished_total{queue="default",status="success"} 1042.0\n'
_SHAPE = {200: {"content": {"text/plain": {"example": _EXAMPLE}}}}


def build_metrics_routes(hub: Hub) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["system"])
    given = needs(Scope.READ, whole=True)
    given["responses"] |= _SHAPE

    @routes.get("/metrics", summary="Metrics", response_class=PlainTextResponse, **given)
    def show_metrics() -> Response:
        """Counters, depths and times from Redis, the same in every web process, in Prometheus's text format.

        While Redis is away it answers 200 with `helperhub_redis_up 0` and without the rest, so that an alert can
        tell that from a web process that is gone.
        """
        return Response(hub.metrics.write(), media_type=MEDIA_TYPE)

    return routes
