"""Undoing over HTTP what was deleted, replayed or purged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from helperhub.api.access import build_router, needs
from helperhub.api.answers import as_json
from helperhub.api.documents.undo import UNDO, UndoneDocument
from helperhub.hub import Hub
from helperhub.model.access import Scope

_CHANGE = "The change, as `undo` of its answer has it; or the execution that replays."
Id = Annotated[str, Path(description=_CHANGE, examples=[UNDO], max_length=600)]


def build_undo_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/undo``."""
    routes = build_router("/undo", "undo")

    @routes.post("/{id:path}", summary="Undo", response_model=UndoneDocument, **needs(Scope.RUN, errors=(404,)))
    def take_back(id: Id) -> Response:  # noqa: A002 - DESIGN's word
        """Undo a deletion, a replay or a purge, for 10 minutes; it needs the scope of what it undoes.

        Dead letters come back as they were. Replays that haven't started are cancelled, and what they repeat is put
        back; those that have started stay. What was purged is enqueued again, as new executions with the same due
        time. Keys that are narrowed undo what they did themselves. Again does nothing, and says so.
        """
        return as_json(hub.undo.take_back(id).to_document())

    return routes
