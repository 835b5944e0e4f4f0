"""Callbacks over HTTP: the delivery log, and telling again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Cursor, Limit, as_json, read_cursor, write_cursor
from helperhub.api.bodies import read_time
from helperhub.api.documents.callbacks import CallbackPage, CallbackReplayedDocument
from helperhub.api.words import Moment
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Status
from helperhub.services.callbacks import CallbackFilter


def build_callback_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/callbacks``."""
    routes = build_router("/callbacks", "callbacks")

    @routes.get("", summary="List callbacks", response_model=CallbackPage, **needs(Scope.READ, errors=(400,)))
    def list_callbacks(
        *,
        caller: Caller,
        execution: Annotated[
            str | None, Query(max_length=300, description="Of this execution.", examples=["0q2v8d3n4h5j6k7m8n9p0q"])
        ] = None,
        status: Annotated[list[Status], Query(description="In this state; may be repeated.")] = [],  # noqa: B006 - copied
        since: Annotated[Moment | None, Query(description="Ended at or after, RFC 3339.")] = None,
        until: Annotated[Moment | None, Query(description="Ended at or before, RFC 3339.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """What was told to whom and what was answered, newest first: what waits or runs, then what is over.

        A page may hold fewer than `limit`, even none, where few fit: go on until `next_cursor` is null.
        """
        wanted = CallbackFilter(execution, frozenset(status), read_time(since), read_time(until))
        place = read_cursor(cursor, "part", "at") or None
        found, following = hub.callbacks.page(wanted, limit=limit, place=place, sees=caller.sees)
        return as_json({"callbacks": found, "next_cursor": None if following is None else write_cursor(following)})

    @routes.post(
        "/{id:path}/replay",
        status_code=202,
        summary="Call back once more",
        response_model=CallbackReplayedDocument,
        **needs(Scope.MANAGE, errors=(404, 409)),
    )
    def replay(
        caller: Caller,
        id: Annotated[str, Path(max_length=320, examples=["callback:0q2v8d3n4h5j6k7m8n9p0q"])],  # noqa: A002 - the path's word
    ) -> Response:
        """Send the same document under the same `webhook-id` again, whether it was taken before or given up."""
        check_callback(hub, caller, id)
        return as_json({"id": hub.callbacks.replay(id), "replay_of": id}, 202)

    return routes


def check_callback(hub: Hub, caller: Principal, callback_id: str) -> None:
    """Refuse a callback that there isn't, or that the caller may not know of.

    Raises:
        NotFound: It is one of these.
    """
    found = hub.callbacks.get(callback_id)
    if not caller.sees(found["helper"], found["queue"]):
        message = f"Nothing is known of execution '{callback_id}'."
        raise NotFound(message)
