"""Undoing what was deleted, replayed or purged a moment ago: what a notice's button asks for."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response

from helperhub.api.access import build_router, of_session
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.undo import Undoable
from helperhub.web.notice import done
from helperhub.web.render import Pages

Id = Annotated[str, Path(max_length=600)]


def build_undo(hub: Hub, pages: Pages) -> APIRouter:
    """Return the route ``/undo/{id}``; what may be undone, the service says."""
    del pages
    routes = build_router("", "dashboard")

    @routes.post("/undo/{id:path}", **of_session(Scope.RUN))
    def take_back(id: Id) -> Response:  # noqa: A002 - DESIGN's word
        return done(hub.undo.take_back(id).in_words())

    return routes


def way_back(hub: Hub, pages: Pages, request: Request, change: Undoable | str) -> str:
    """Return the path that undoes a change; empty if it changed nothing.

    Args:
        hub: Knows what was changed.
        pages: Knows where pages are.
        request: Answered.
        change: What was made, or the execution that makes it.
    """
    id_ = change if isinstance(change, str) else hub.undo.id_of(change)
    return pages.path(request, f"undo/{quote(id_, safe='')}") if id_ else ""


__all__ = ["build_undo", "way_back"]
