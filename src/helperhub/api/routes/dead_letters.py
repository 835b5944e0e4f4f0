"""Dead letters over HTTP: list, group by cause, show, replay, edit, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Cursor, Limit, as_json, read_cursor, write_cursor
from helperhub.api.documents.dead_letters import (
    CauseList,
    DeadLetterPage,
    DeletedDocument,
    MassReplayDocument,
)
from helperhub.api.documents.executions import ExecutionDocument, ReplayedList, ReplayedOneDocument
from helperhub.api.routes.executions import Helper, Id, Ids, ReplayBody, replayed, seen
from helperhub.api.words import PerTime, Switch, refuse_stand_ins
from helperhub.errors import UsageError
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution
from helperhub.model.limits import parse_rate
from helperhub.services.dead_letters import DeadFilter
from helperhub.services.mass_replay import MOST_FIRST_ONES, REPLAY_HELPER, MassReplay
from helperhub.services.undo import Change, Undoable

_FINGERPRINT = "The fingerprint of a cause, as `/dead-letters/groups` has it."
Cause = Annotated[str | None, Query(max_length=64, description=_FINGERPRINT, examples=["5f2c81d09ab3e644"])]
#: As `Matching.check`.
_NAMED: list[Any] = [
    {"properties": {"helper": {"type": "string"}}, "required": ["helper"]},
    {"properties": {"cause": {"type": "string"}}, "required": ["cause"]},
    {"properties": {"all": {"const": True}}, "required": ["all"]},
]
_NULL = {"type": "null"}
_ONLY_IDS: dict[str, Any] = {
    "properties": {"ids": {"type": "array"}, "helper": _NULL, "cause": _NULL, "all": {"const": False}},
    "required": ["ids"],
}
_NO_IDS: dict[str, Any] = {"properties": {"ids": _NULL}, "anyOf": _NAMED}
_READ, _RUN, _MANAGE = Scope.READ, Scope.RUN, Scope.MANAGE


FirstOnes = Annotated[int, Field(ge=1, le=MOST_FIRST_ONES), BeforeValidator(refuse_stand_ins)]


class Matching(BaseModel):
    """Which dead letters, by what they have in common."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"anyOf": _NAMED})

    helper: str | None = Field(
        default=None, min_length=1, max_length=200, examples=["weather"], description="With its instances."
    )
    cause: str | None = Field(
        default=None, min_length=1, max_length=64, examples=["5f2c81d09ab3e644"], description=_FINGERPRINT
    )
    all: Switch = Field(default=False, description="Without helper and cause: all there are.")

    def check(self) -> None:
        """Refuse what names nothing: a body that was forgotten must not mean all.

        Raises:
            UsageError: It does.
        """
        if not (self.helper or self.cause or self.all):
            message = "Which dead letters?"
            raise UsageError(message, hint="Name a helper or a cause, or say 'all': true.")


class ReplayMatchingBody(Matching):
    """Which dead letters to put back, and how fast."""

    rate: PerTime | None = Field(default=None, examples=["10/s"], description="null: as fast as it goes.")
    stop_after_failures: FirstOnes | None = Field(
        default=None,
        description="Put so many back first, and no more if all of them fail again in the same way.",
    )


class DeleteBody(Matching):
    """Which dead letters to delete: these ids, or all that match."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"oneOf": [_ONLY_IDS, _NO_IDS]})

    ids: Ids | None = None


class EditBody(BaseModel):
    """What a dead letter is to be given instead."""

    model_config = ConfigDict(extra="forbid")

    payload: Any = Field(examples=[{"city": "Berlin"}])


def build_dead_letter_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/dead-letters``."""
    routes = build_router("/dead-letters", "dead letters")
    _add_looks(routes, hub)
    _add_replays(routes, hub)
    _add_deletes(routes, hub)
    return routes


def _add_looks(routes: APIRouter, hub: Hub) -> None:
    @routes.get("", summary="List dead letters", response_model=DeadLetterPage, **needs(_READ, errors=(400,)))
    def list_dead(
        caller: Caller, helper: Helper = None, cause: Cause = None, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """Executions that were given up, newest first, until somebody replays or deletes them.

        A page may hold fewer than `limit`, even none, where few fit: go on until `next_cursor` is null.
        """
        place = read_cursor(cursor, "at") or None
        page = hub.dead_letters.page(DeadFilter(helper, cause, caller.sees), limit=limit, place=place)
        return as_json(
            {
                "dead": [one.to_document() for one in page.executions],
                "total": None if caller.is_narrowed else hub.dead_letters.count(),
                "next_cursor": None if page.following is None else write_cursor(page.following),
            }
        )

    @routes.get("/groups", summary="Group by cause", response_model=CauseList, **needs(_READ))
    def groups(caller: Caller, helper: Helper = None) -> Response:
        """What they failed of: helper, error, place in the helper's code and text, without what differs each time."""
        document = hub.dead_letters.groups(DeadFilter(helper, sees=caller.sees)).to_document()
        hidden = {"looked": None, "total": None} if caller.is_narrowed else {}
        return as_json({**document, **hidden})

    @routes.get("/{id:path}", summary="Show", response_model=ExecutionDocument, **needs(_READ, errors=(404,)))
    def show(caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        """One dead letter, with the errors of its first and last two attempts."""
        return as_json(_letter(hub, caller, id).to_document())


def _add_replays(routes: APIRouter, hub: Hub) -> None:
    @routes.post("/replay", summary="Replay many", response_model=ReplayedList, **needs(_RUN, errors=(404, 409)))
    def replay_many(caller: Caller, body: Annotated[ReplayBody, Body()]) -> Response:
        """Put these dead letters back, as new executions; none if one of them isn't known."""
        for id_ in body.ids:
            seen(hub, caller, id_)
        change = hub.undo.begin(Change.REPLAY)
        done = replayed(hub.dead_letters.replay(body.ids, undo=change))
        return as_json({"replayed": done, "undo": hub.undo.id_of(change)})

    @routes.post(
        "/replay-matching",
        status_code=202,
        summary="Replay all that match",
        response_model=MassReplayDocument,
        **needs(_RUN, whole=True, errors=(400,)),
    )
    def replay_matching(body: Annotated[ReplayMatchingBody, Body()]) -> Response:
        """Put back all of a helper or cause that were given up by now, at a rate.

        It is an execution of its own, which reports its progress and goes on elsewhere if its worker dies; `/undo`
        takes its id.
        """
        body.check()
        rate = None if body.rate is None else parse_rate(body.rate)
        wanted = MassReplay(body.helper, body.cause, rate, body.stop_after_failures)
        return as_json({"id": hub.mass_replays.start(wanted), "helper": REPLAY_HELPER}, 202)

    # Before the routes that end in the id: it may have slashes, so an id matches whole paths.
    @routes.post(
        "/{id:path}/edit",
        summary="Edit and replay",
        response_model=ReplayedOneDocument,
        **needs(_MANAGE, errors=(400, 404, 409, 413)),
    )
    def edit(caller: Caller, id: Id, body: Annotated[EditBody, Body()]) -> Response:  # noqa: A002 - DESIGN's word
        """Put it back with another payload, signed anew; the payload must fit the helper's model if that is known."""
        _letter(hub, caller, id)
        change = hub.undo.begin(Change.REPLAY)
        new = hub.dead_letters.replay_edited(id, body.payload, undo=change)
        return as_json({"id": new, "replay_of": id, "undo": change.id})

    @routes.post(
        "/{id:path}/replay", summary="Replay", response_model=ReplayedOneDocument, **needs(_RUN, errors=(404, 409))
    )
    def replay(caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        """Put it back, as a new execution; again answers the same id."""
        seen(hub, caller, id)
        change = hub.undo.begin(Change.REPLAY)
        (done,) = replayed(hub.dead_letters.replay([id], undo=change))
        return as_json({**done, "undo": hub.undo.id_of(change)})


def _add_deletes(routes: APIRouter, hub: Hub) -> None:
    @routes.post("/delete", summary="Delete many", response_model=DeletedDocument, **needs(_MANAGE, errors=(400, 404)))
    def delete_many(caller: Caller, body: Annotated[DeleteBody, Body()]) -> Response:
        """Delete these, or all that match; `/undo` puts them back, for 10 minutes."""
        change = hub.undo.begin(Change.DELETE)
        if body.ids is None:
            body.check()
            wanted = DeadFilter(body.helper, body.cause, caller.sees)
            return as_json(_deleted(hub.dead_letters.delete_matching(wanted, undo=change), change))
        if body.helper or body.cause or body.all:
            message = "Ids and what they have in common exclude each other."
            raise UsageError(message, hint="Give one of them.")
        for id_ in body.ids:
            _letter(hub, caller, id_)
        return as_json(_deleted(hub.dead_letters.delete(body.ids, undo=change), change))

    @routes.delete("/{id:path}", summary="Delete", response_model=DeletedDocument, **needs(_MANAGE, errors=(404,)))
    def delete(caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        """Delete one: its record stays in the history as long as other failures do, and `/undo` puts it back."""
        _letter(hub, caller, id)
        change = hub.undo.begin(Change.DELETE)
        return as_json(_deleted(hub.dead_letters.delete([id], undo=change), change))


def _deleted(number: int, change: Undoable) -> dict[str, Any]:
    return {"deleted": number, "undo": change.id if number else None}


def _letter(hub: Hub, caller: Principal, execution_id: str) -> Execution:
    """Return a dead letter that ``caller`` may see.

    Raises:
        NotFound: There is none, for all that he may know.
    """
    found = seen(hub, caller, execution_id)
    hub.dead_letters.check_dead(found)
    return found
