"""Queues and worker processes over HTTP: see them, pause, resume, purge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import as_json
from helperhub.api.bodies import Reason
from helperhub.api.documents.queues import (
    PausedDocument,
    PurgedDocument,
    QueueDocument,
    QueueList,
    WorkerList,
    WorkerPausedDocument,
)
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.services.undo import Change

Name = Annotated[str, Path(description="The queue.", examples=["default"], max_length=200)]
Worker = Annotated[str, Path(description="The worker process's id.", examples=["web1:4711:8x2k"], max_length=300)]


def build_queue_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/queues``."""
    routes = build_router("/queues", "queues")

    @routes.get("", summary="List queues", response_model=QueueList, **needs(Scope.READ))
    def list_queues(caller: Caller) -> Response:
        """Every queue ever used: depths, counters, mean times, whether it is paused."""
        found = [stats.to_document() for stats in hub.queues.all() if sees_queue(caller, stats.name)]
        return as_json({"queues": found})

    @routes.get("/{name}", summary="Show a queue", response_model=QueueDocument, **needs(Scope.READ, errors=(404,)))
    def show(caller: Caller, name: Name) -> Response:
        """One queue: depths, counters, mean times, whether it is paused."""
        check_queue(hub, caller, name)
        return as_json(next(stats for stats in hub.queues.all() if stats.name == name).to_document())

    @routes.post("/{name}/pause", summary="Pause", response_model=PausedDocument, **needs(Scope.MANAGE, errors=(404,)))
    def pause(caller: Caller, name: Name) -> Response:
        """Claim nothing more from it; what runs goes on."""
        check_queue(hub, caller, name)
        hub.queues.pause(name)
        return as_json({"name": name, "paused": True})

    @routes.post(
        "/{name}/resume", summary="Resume", response_model=PausedDocument, **needs(Scope.MANAGE, errors=(404,))
    )
    def resume(caller: Caller, name: Name) -> Response:
        """Claim from it again."""
        check_queue(hub, caller, name)
        hub.queues.resume(name)
        return as_json({"name": name, "paused": False})

    @routes.post("/{name}/purge", summary="Purge", response_model=PurgedDocument, **needs(Scope.MANAGE, errors=(404,)))
    def purge(caller: Caller, name: Name, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: B008 - a frozen default
        """Cancel all that waits in it, never its dead letters; the answer says how many, and `/undo` takes it back."""
        check_queue(hub, caller, name)
        change = hub.undo.begin(Change.PURGE, name)
        purged = hub.queues.purge(name, reason=body.reason, undo=change)
        return as_json({"name": name, "cancelled": purged, "undo": hub.undo.id_of(change)})

    return routes


def build_worker_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/workers``; worker processes are of the whole hub."""
    routes = build_router("/workers", "workers")

    @routes.get("", summary="List worker processes", response_model=WorkerList, **needs(Scope.READ, whole=True))
    def list_workers() -> Response:
        """Every registered worker process: where it runs, what it serves, what it has in hand."""
        return as_json({"workers": hub.workers.all()})

    @routes.post(
        "/{id}/pause",
        summary="Pause",
        response_model=WorkerPausedDocument,
        **needs(Scope.MANAGE, whole=True, errors=(404,)),
    )
    def pause(id: Worker) -> Response:  # noqa: A002 - DESIGN's word
        """Let it claim nothing more; what runs goes on."""
        hub.workers.pause(id)
        return as_json({"id": id, "paused": True})

    @routes.post(
        "/{id}/resume",
        summary="Resume",
        response_model=WorkerPausedDocument,
        **needs(Scope.MANAGE, whole=True, errors=(404,)),
    )
    def resume(id: Worker) -> Response:  # noqa: A002 - as above
        """Let it claim again."""
        hub.workers.resume(id)
        return as_json({"id": id, "paused": False})

    return routes


def sees_queue(caller: Principal, queue: str) -> bool:
    """Return whether a queue is the caller's to know of: its figures are those of all its helpers."""
    return not caller.helpers and (not caller.queues or queue in caller.queues)


def check_queue(hub: Hub, caller: Principal, queue: str) -> None:
    """Refuse a queue that there isn't, or that the caller may not know of.

    Raises:
        NotFound: It is one of these.
    """
    names = [name for name in hub.queues.store.names() if sees_queue(caller, name)]
    if queue not in names:
        message = f"No queue is named '{queue}'."
        raise NotFound(message, hint=f"There are: {', '.join(names) or 'none yet'}.")
