"""What starts executions: one by one, on whichever path, or many by one request."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.access import Caller, needs
from helperhub.api.answers import as_json
from helperhub.api.asked import id_of_request
from helperhub.api.bodies import read_duration, read_time
from helperhub.api.documents.helpers import StartedDocument
from helperhub.api.named import Name, check_sees
from helperhub.api.words import CallbackTarget, Duration, IdempotencyKey, Moment, OwnId, Priority, UniqueKey
from helperhub.errors import NotFound, StoreUnavailable
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Trigger
from helperhub.services.accepting import Accepted
from helperhub.services.enqueueing import EnqueueOptions

_CALLBACK = "URL that gets its document when it ends, instead of the helper's."
_EXAMPLE = "https://shop.example.org/done"


def _never_both(one: str, other: str) -> dict[str, Any]:
    text = {"type": "string"}
    return {"not": {"properties": {one: text, other: text}, "required": [one, other]}}


def _never_without(one: str, other: str) -> dict[str, Any]:
    return {"not": {"properties": {one: {"type": "string"}, other: {"type": "null"}}, "required": [one]}}


class RunBody(BaseModel):
    """What an execution is started with; nothing of it has to be given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"allOf": [_never_both("delay", "at"), _never_without("unique_for", "unique_key")]},
    )

    payload: Any = Field(default=None, examples=[{"city": "Berlin"}], description="null means the scheduled one's.")
    delay: Duration | None = Field(default=None, examples=["5m"], description="How long it waits first.")
    at: Moment | None = Field(default=None, examples=["2026-11-23T08:30:00Z"], description="When it is due.")
    priority: Priority | None = None
    id: OwnId | None = Field(default=None, description="Your id: the same one again starts nothing new.")
    expires_after: Duration | None = Field(default=None, examples=["30m"])
    metadata: dict[str, Any] = Field(default={}, examples=[{"app": "shop", "user": "ada"}])
    unique_key: UniqueKey | None = Field(
        default=None,
        description="Of executions with one key there is one at a time. ASCII, or up to 63 characters of any kind.",
    )
    unique_for: Duration | None = Field(default=None, examples=["1h"])
    callback: CallbackTarget | None = Field(default=None, description=_CALLBACK, examples=[_EXAMPLE])


def add_run_route(routes: APIRouter, path: str, hub: Hub) -> None:
    """Let a helper be run at ``path``, which holds ``{name:path}``: the older systems' paths do what ours does."""

    @routes.post(
        path,
        status_code=202,
        summary="Run",
        response_model=StartedDocument,
        **needs(Scope.RUN, spooled=True, errors=(400, 404, 413)),
    )
    def run(
        caller: Caller,
        name: Name,
        body: Annotated[RunBody, Body()] = RunBody(),  # noqa: B008 - frozen default
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Start an execution, now or later. With `Idempotency-Key`, the same request again starts nothing new."""
        check_runs(hub, caller, name)
        options = read_options(body, id_of_request(caller, name, body.id, idempotency_key))
        return as_json(_started(name, hub.accepting.accept(name, body.payload, options)), 202)


def read_options(body: RunBody, id_: str | None) -> EnqueueOptions:
    """Return how ``body`` wants an execution enqueued.

    Args:
        body: What was asked for.
        id_: The id it gets; None for a fresh one.

    Raises:
        UsageError: A value can't be understood.
    """
    return EnqueueOptions(
        delay=read_duration(body.delay, "delay"),
        at=read_time(body.at),
        priority=body.priority,
        id=id_,
        expires_after=read_duration(body.expires_after, "expires_after"),
        metadata=body.metadata,
        trigger=Trigger.MANUAL,
        wait=timedelta(0),
        unique_key=body.unique_key,
        unique_for=read_duration(body.unique_for, "unique_for"),
        callback=body.callback,
    )


def _started(name: str, accepted: Accepted) -> dict[str, Any]:
    found = accepted.id
    said = "was enqueued before" if found.existed else "enqueued"
    document = {
        "id": found,
        "existed": found.existed,
        "status": "enqueued",
        "message": f"Helper '{name}' {said}",
        "application": name,
        "task_id": found,
    }
    return {**document, "spooled": True} if accepted.spooled else document


def check_runs(hub: Hub, caller: Principal, name: str) -> None:
    """Refuse a helper as `check_sees`; where work is spooled while Redis is away, by what was known of it."""
    if not hub.accepting.is_away:
        try:
            check_sees(hub, caller, name)
        except StoreUnavailable:
            if not hub.accepting.spools:
                raise
            hub.accepting.note_away()
        else:
            return
    row = hub.profiles.known().rows.get(name)
    if caller.is_narrowed and (row is None or not caller.sees(name, row.spec.queue)):
        message = f"No helper is named '{name}', or it isn't one of this key's."
        raise NotFound(message)
