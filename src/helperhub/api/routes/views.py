"""Saved searches of executions over HTTP: those of the key that asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.access import build_router, needs
from helperhub.api.answers import as_json
from helperhub.api.documents.views import DeletedViewDocument, ViewDocument, ViewList
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.search_words import MOST_CHARACTERS
from helperhub.services.views import MOST_NAME

#: Printable, without a slash, none at the ends but letters and signs; other scripts than this are read as well.
_SHOWN = "^[!-.0-~]([ -.0-~]*[!-.0-~])?$"
Called = Annotated[str, Field(min_length=1, max_length=MOST_NAME, json_schema_extra={"pattern": _SHOWN})]
Name = Annotated[Called, Path(description="What it is called.", examples=["Failed today"])]


class ViewBody(BaseModel):
    """What is saved."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=MOST_CHARACTERS, examples=["status:error since:24h"])


class RenameBody(BaseModel):
    """What it is to be called."""

    model_config = ConfigDict(extra="forbid")

    name: Called = Field(examples=["Failed lately"])


def build_view_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/views``."""
    routes = build_router("/views", "views")

    @routes.get("", summary="List saved searches", response_model=ViewList, **needs(Scope.READ))
    def list_views() -> Response:
        """Those of the key that asks, by name; nobody else sees them."""
        return as_json({"views": [one.to_document() for one in hub.views.all()]})

    @routes.put("/{name}", summary="Save a search", response_model=ViewDocument, **needs(Scope.READ, errors=(400, 409)))
    def save(name: Name, body: Annotated[ViewBody, Body()]) -> Response:
        """Save a search, in the place of the one that has this name if there is one."""
        return as_json(hub.views.save(name, body.query).to_document())

    @routes.post(
        "/{name}/rename", summary="Rename", response_model=ViewDocument, **needs(Scope.READ, errors=(400, 404, 409))
    )
    def rename(name: Name, body: Annotated[RenameBody, Body()]) -> Response:
        """Give it another name that none has yet."""
        return as_json(hub.views.rename(name, body.name).to_document())

    @routes.delete("/{name}", summary="Delete", response_model=DeletedViewDocument, **needs(Scope.READ, errors=(404,)))
    def delete(name: Name) -> Response:
        """Forget it."""
        hub.views.delete(name)
        return as_json({"name": name, "deleted": True})

    return routes
