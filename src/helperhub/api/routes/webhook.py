"""``POST /webhook/{token}``: work that somebody outside asks for. The token is the secret; no key is needed."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Path, Request, Response

from helperhub.api.access import PUBLIC, needs
from helperhub.api.answers import as_json
from helperhub.api.documents.webhooks import DeliveredDocument
from helperhub.hub import Hub
from helperhub.services.deliveries import Delivery

Token = Annotated[str, Path(description="The webhook's token.", examples=["wh_3f9aK2mPq8Zx_..."], max_length=100)]
_NAMES = ("content-type", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature")
#: Few, for they take turns anyway: with 40 of them a burst of 100 took nearly twice as long.
_THREADS = 8
_STRING = {"type": "string"}
_BODY = {
    "required": False,
    "description": "What the execution is given; nothing means the helper's own payload.",
    "content": {
        "application/json": {"schema": {}, "example": {"city": "Berlin"}},
        "application/x-www-form-urlencoded": {"schema": {"type": "object", "additionalProperties": _STRING}},
        "text/plain": {"schema": _STRING},
    },
}


def build_webhook_route(hub: Hub) -> APIRouter:
    """Return the route that takes messages in."""
    routes = APIRouter(tags=["webhooks"])
    limiter = CapacityLimiter(_THREADS)
    options = needs(PUBLIC, errors=(400, 401, 404, 413, 415))
    options["openapi_extra"]["requestBody"] = _BODY

    @routes.post(
        "/webhook/{token}",
        status_code=202,
        summary="Send a message to a webhook",
        response_model=DeliveredDocument,
        **options,
    )
    async def take(request: Request, token: Token) -> Response:
        """Start its helper. With `Idempotency-Key`, or signed, the same message again starts nothing new."""
        headers = {name: request.headers[name] for name in _NAMES if name in request.headers}
        source = request.client.host if request.client else ""
        delivery = Delivery(headers, await request.body(), source)
        # A thread for the two round trips to Redis, or the disk.
        made = await to_thread.run_sync(hub.deliveries.take, token, delivery, limiter=limiter)
        document: dict[str, Any] = {
            "message": "Workflow execution enqueued",
            "job_id": made.accepted.id,
            "workflow_id": made.helper,
            "status": "accepted",
        }
        if made.accepted.spooled:
            document["spooled"] = True
        return as_json(document, 202)

    return routes
