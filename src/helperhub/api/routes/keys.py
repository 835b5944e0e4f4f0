"""API keys over HTTP: list, make, rotate, revoke. For admins only."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.access import build_router, needs
from helperhub.api.answers import as_json
from helperhub.api.bodies import read_duration
from helperhub.api.documents.keys import KeyList, NewKeyDocument, RevokedDocument
from helperhub.api.words import Duration, Label, NameOf
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.api_keys import DEFAULT_OVERLAP, KeyWish

Id = Annotated[str, Path(description="The key's id.", examples=["3f9aK2mPq8Zx"], max_length=40)]
_ADMIN = Scope.ADMIN


class KeyBody(BaseModel):
    """What a new key is to be."""

    model_config = ConfigDict(extra="forbid")

    name: Label = Field(examples=["build server"], description="A word for people.")
    scopes: list[Scope] = Field(min_length=1, examples=[["run"]], description="What it may do.")
    helpers: list[NameOf] = Field(default=[], max_length=100, examples=[["weather"]], description="Only these.")
    queues: list[NameOf] = Field(default=[], max_length=100, description="Only these.")
    expires_in: Duration | None = Field(default="90d", examples=["90d"], description="A duration; null means never.")


class RotateBody(BaseModel):
    """How a key is rotated."""

    model_config = ConfigDict(extra="forbid")

    overlap: Duration | None = Field(default=None, examples=["1d"], description="How long the old one lives; null: 1d.")


def build_key_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/keys``."""
    routes = build_router("/keys", "keys")

    @routes.get("", summary="List keys", response_model=KeyList, **needs(_ADMIN, whole=True))
    def list_keys() -> Response:
        """Every key, expired ones too, never a secret."""
        return as_json({"keys": hub.api_keys.all()})

    @routes.post(
        "",
        status_code=201,
        summary="Make a key",
        response_model=NewKeyDocument,
        **needs(_ADMIN, whole=True, secret=True, errors=(400,)),
    )
    def create(body: Annotated[KeyBody, Body()]) -> Response:
        """The answer has the key, which nobody can see again."""
        lifetime: timedelta | None = read_duration(body.expires_in, "expires_in")
        wish = KeyWish(body.name, frozenset(body.scopes), frozenset(body.helpers), frozenset(body.queues), lifetime)
        text, document = hub.api_keys.create(wish)
        return as_json({"key": text, **document}, 201)

    @routes.post(
        "/{id}/rotate",
        status_code=201,
        summary="Rotate a key",
        response_model=NewKeyDocument,
        **needs(_ADMIN, whole=True, secret=True, errors=(400, 404, 409)),
    )
    def rotate(id: Id, body: Annotated[RotateBody, Body()] = RotateBody()) -> Response:  # noqa: A002, B008 - DESIGN's word; a frozen default
        """Make its successor, which may do the same; the old one goes on for a while."""
        overlap = read_duration(body.overlap, "overlap")
        text, document = hub.api_keys.rotate(id, overlap=DEFAULT_OVERLAP if overlap is None else overlap)
        return as_json({"key": text, **document}, 201)

    @routes.delete(
        "/{id}", summary="Revoke a key", response_model=RevokedDocument, **needs(_ADMIN, whole=True, errors=(404,))
    )
    def revoke(id: Id) -> Response:  # noqa: A002 - as above
        """Its next request is refused."""
        hub.api_keys.revoke(id)
        return as_json({"id": id, "revoked": True})

    return routes
