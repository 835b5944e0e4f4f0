"""The hub as a whole, over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Response

from helperhub.api.access import build_router, needs
from helperhub.api.answers import as_json
from helperhub.api.documents.system import SystemDocument
from helperhub.hub import Hub
from helperhub.model.access import Scope


def build_system_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/system``."""
    routes = build_router("/system", "system")

    @routes.get("", summary="How the hub is", response_model=SystemDocument, **needs(Scope.READ, whole=True))
    def show() -> Response:
        """Redis, schedulers, worker processes, queues, dead letters and helpers at one look, and what is missing."""
        return as_json(hub.overview.status())

    return routes
