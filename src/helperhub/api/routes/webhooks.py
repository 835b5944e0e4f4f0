"""Webhooks over HTTP: list, make, show, enable, disable, rotate token or secret, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import as_json
from helperhub.api.bodies import Reason, read_duration
from helperhub.api.documents.webhooks import (
    DeletedWebhookDocument,
    NewSecretDocument,
    NewTokenDocument,
    NewWebhookDocument,
    WebhookDocument,
    WebhookList,
)
from helperhub.api.words import Duration, Label, Switch, Whole
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.services.webhooks import DEFAULT_OVERLAP, WebhookWish, unknown_webhook

Id = Annotated[str, Path(description="The webhook's id.", examples=["3f9aK2mPq8Zx"], max_length=40)]
#: The most is what the setting is by default.
_SIZE: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 64, "maximum": 262_144}, {"type": "null"}]}
_READ, _MANAGE = Scope.READ, Scope.MANAGE


class WebhookBody(BaseModel):
    """What a new webhook is to be."""

    model_config = ConfigDict(extra="forbid")

    helper: str = Field(min_length=1, max_length=200, examples=["weather"], description="`helper[/instance]`.")
    name: Label = Field(examples=["shop orders"], description="A word for people.")
    signed: Switch = Field(default=False, description="Take signed messages only (Standard Webhooks).")
    max_body: Whole | None = Field(
        default=None,
        description="Largest body, bytes; null: the largest payload, HELPERHUB_MAX_PAYLOAD, which is also the most.",
        json_schema_extra=_SIZE,
    )


class OverlapBody(BaseModel):
    """How a token or secret is rotated."""

    model_config = ConfigDict(extra="forbid")

    overlap: Duration | None = Field(
        default=None, examples=["1d"], description="How long the old one goes on; null: 1d."
    )


def build_webhook_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/webhooks``."""
    routes = build_router("/webhooks", "webhooks")

    @routes.get("", summary="List webhooks", response_model=WebhookList, **needs(_READ))
    def list_webhooks(caller: Caller) -> Response:
        """Those of the helpers that the key may see, never a token or secret."""
        return as_json({"webhooks": [one for one in hub.webhooks.all() if sees_webhook(hub, caller, one["helper"])]})

    @routes.post(
        "",
        status_code=201,
        summary="Make a webhook",
        response_model=NewWebhookDocument,
        **needs(_MANAGE, secret=True, errors=(400, 404)),
    )
    def create(caller: Caller, body: Annotated[WebhookBody, Body()]) -> Response:
        """The answer has its token, and its secret if messages are to be signed; nobody can see them again."""
        if not sees_webhook(hub, caller, body.helper):
            message = f"No helper is named '{body.helper}', or it isn't one of this key's."
            raise NotFound(message)
        wish = WebhookWish(body.helper, body.name, signed=body.signed, max_body=body.max_body)
        token, secret, document = hub.webhooks.create(wish)
        return as_json({"token": token, "path": f"/webhook/{token}", "secret": secret, **document}, 201)

    @routes.get("/{id}", summary="Show a webhook", response_model=WebhookDocument, **needs(_READ, errors=(404,)))
    def show(caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        """One webhook."""
        return as_json(check_webhook(hub, caller, id))

    @routes.post("/{id}/enable", summary="Enable", response_model=WebhookDocument, **needs(_MANAGE, errors=(404,)))
    def enable(caller: Caller, id: Id, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: A002, B008 - DESIGN's word; a frozen default
        """Let it take messages again."""
        check_webhook(hub, caller, id)
        return as_json(hub.webhooks.switch(id, enabled=True, reason=body.reason))

    @routes.post("/{id}/disable", summary="Disable", response_model=WebhookDocument, **needs(_MANAGE, errors=(404,)))
    def disable(caller: Caller, id: Id, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: A002, B008 - as above
        """Refuse its messages with 400."""
        check_webhook(hub, caller, id)
        return as_json(hub.webhooks.switch(id, enabled=False, reason=body.reason))

    @routes.post(
        "/{id}/rotate",
        status_code=201,
        summary="Rotate a webhook's token",
        response_model=NewTokenDocument,
        **needs(_MANAGE, secret=True, errors=(400, 404)),
    )
    def rotate(caller: Caller, id: Id, body: Annotated[OverlapBody, Body()] = OverlapBody()) -> Response:  # noqa: A002, B008 - as above
        """Make a new token; the old one goes on for a while."""
        check_webhook(hub, caller, id)
        overlap = read_duration(body.overlap, "overlap")
        token, document = hub.webhooks.rotate_token(id, overlap=DEFAULT_OVERLAP if overlap is None else overlap)
        return as_json({"token": token, "path": f"/webhook/{token}", **document}, 201)

    @routes.post(
        "/{id}/rotate-secret",
        status_code=201,
        summary="Rotate a webhook's secret",
        response_model=NewSecretDocument,
        **needs(_MANAGE, secret=True, errors=(400, 404)),
    )
    def rotate_secret(caller: Caller, id: Id, body: Annotated[OverlapBody, Body()] = OverlapBody()) -> Response:  # noqa: A002, B008 - as above
        """Make a new secret; the old one goes on for a while. From now on it takes signed messages only."""
        check_webhook(hub, caller, id)
        overlap = read_duration(body.overlap, "overlap")
        secret, document = hub.webhooks.rotate_secret(id, overlap=DEFAULT_OVERLAP if overlap is None else overlap)
        return as_json({"secret": secret, **document}, 201)

    @routes.delete(
        "/{id}", summary="Delete a webhook", response_model=DeletedWebhookDocument, **needs(_MANAGE, errors=(404,))
    )
    def delete(caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        """Its next message is refused with 404."""
        check_webhook(hub, caller, id)
        hub.webhooks.delete(id)
        return as_json({"id": id, "deleted": True})

    return routes


def sees_webhook(hub: Hub, caller: Principal, helper: str) -> bool:
    """Return whether a webhook of ``helper`` is the caller's to know of; one whose helper has gone is of no queue."""
    return not caller.is_narrowed or caller.sees(helper, hub.profiles.queue_of(helper) or "")


def check_webhook(hub: Hub, caller: Principal, webhook_id: str) -> dict[str, object]:
    """Return a webhook as a document.

    Raises:
        NotFound: There is none, or the caller may not know of it.
    """
    document = hub.webhooks.show(webhook_id)
    if not sees_webhook(hub, caller, str(document["helper"])):
        raise unknown_webhook(webhook_id)
    return document
