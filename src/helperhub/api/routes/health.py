"""``/healthz`` and ``/readyz``: whether the process lives, and whether it can do its work."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from helperhub.api.access import PUBLIC, needs
from helperhub.api.answers import as_json
from helperhub.api.problems import RETRY_AFTER_S
from helperhub.errors import HelperHubError
from helperhub.hub import Hub


class Health(BaseModel):
    """That the process lives."""

    status: Literal["alive"]


class Readiness(BaseModel):
    """Whether requests that need Redis can be answered, and why not."""

    status: Literal["ready", "not ready"]
    reason: str = Field(default="", examples=["Redis can't be reached: Connection refused."])


def build_health_routes(hub: Hub) -> APIRouter:
    """Return the two routes; they need no key, and tell nothing of the hub."""
    routes = APIRouter(tags=["system"])

    @routes.get("/healthz", summary="Is the process alive?", response_model=Health, **needs(PUBLIC))
    async def is_alive() -> Response:
        """Answers whatever becomes of Redis: restarting this process wouldn't bring it back."""
        return as_json({"status": "alive"})

    options = needs(PUBLIC)
    options["responses"][503] = {"model": Readiness, "description": "It can't, and why."}

    @routes.get("/readyz", summary="Can it do its work?", response_model=Readiness, **options)
    def is_ready() -> Response:
        """Says why not when Redis can't be reached."""
        try:
            hub.ping()
        except HelperHubError as error:
            document = {"status": "not ready", "reason": error.message}
            return as_json(document, 503, headers={"Retry-After": str(RETRY_AFTER_S)})
        return as_json({"status": "ready"})

    return routes
