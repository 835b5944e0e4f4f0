"""Helpers over HTTP: list, show, enable, disable, pause, resume, update with a dry run, reset, run."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Cursor, DryRun, Limit, as_json, etag_of, read_name_cursor, write_cursor
from helperhub.api.asked import id_of_request
from helperhub.api.bodies import Reason, read_duration, read_limits, read_schedule, read_schedules, read_time
from helperhub.api.documents.helpers import (
    HelperChangeDocument,
    HelperDocument,
    HelperPage,
    HelperPreviewDocument,
    StartedDocument,
)
from helperhub.api.words import (
    LIMITS,
    SCHEDULE,
    SCHEDULES,
    CallbackChange,
    CallbackTarget,
    Duration,
    IdempotencyKey,
    Moment,
    OwnId,
    Priority,
    Switch,
    Whole,
)
from helperhub.errors import NotFound, Outdated, StoreUnavailable, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Trigger
from helperhub.model.helper import split_key
from helperhub.model.identity import ExecutionId
from helperhub.model.schedule import Schedule
from helperhub.services.enqueueing import EnqueueOptions
from helperhub.services.helpers import HelperUpdate

Name = Annotated[
    str,
    Path(
        description="`helper[/instance]`.",
        examples=["weather"],
        max_length=200,
        json_schema_extra={"pattern": "^[A-Za-z][A-Za-z0-9._-]{0,62}(/[A-Za-z0-9._-]{1,80})?$"},
    ),
]
_CALLBACK = "URL that gets its document when it ends, instead of the helper's."
_EXAMPLE = "https://shop.example.org/done"
_READ, _RUN, _MANAGE = Scope.READ, Scope.RUN, Scope.MANAGE


#: Any of these makes an update.
_CHANGES = ("schedule", "schedules", "priority", "expires_after", "enabled", "payload", "limits", "callback", "create")


def _never_both(one: str, other: str) -> dict[str, Any]:
    text = {"type": "string"}
    return {"not": {"properties": {one: text, other: text}, "required": [one, other]}}


def _never_without(one: str, other: str) -> dict[str, Any]:
    return {"not": {"properties": {one: {"type": "string"}, other: {"type": "null"}}, "required": [one]}}


class HelperUpdateBody(Reason):
    """What to change of a helper; what isn't given stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"anyOf": [{"required": [name]} for name in _CHANGES]})

    schedule: Annotated[dict[str, Any] | str, WithJsonSchema(SCHEDULE)] | None = Field(
        default=None,
        description="Replaces all: `daily 07:30`, or a dict, which may also hold priority, expiry (s) and enabled. "
        "Cron takes whatever crontab(5) does, `tz` every IANA zone; the schema shows the usual.",
        examples=[{"type": "daily", "time": "07:30:00", "priority": 1, "expiry": 3600, "enabled": True}],
    )
    schedules: Annotated[dict[str, dict[str, Any] | str], WithJsonSchema(SCHEDULES)] | None = Field(
        default=None,
        description="The same, several by name; beside `schedule`, which is the one named ''.",
        examples=[{"morning": "daily 07:30"}],
    )
    priority: Priority | None = None
    expires_after: Duration | None = Field(default=None, description="A duration.", examples=["30m"])
    enabled: Switch | None = None
    payload: Any = Field(default=None, description="For scheduled executions; null is a payload too.")
    callback: CallbackChange | None = Field(
        default=None, description='URL that is told of each end; `""` is none.', examples=[_EXAMPLE]
    )
    limits: Annotated[dict[str, Whole | str | None], WithJsonSchema(LIMITS)] = Field(
        default={}, description="concurrency, rate and the like; null is no limit.", examples=[{"rate": "100/m"}]
    )
    create: Switch = Field(default=False, description="Make the instance if there is none.")


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
    unique_key: str | None = Field(
        default=None, min_length=1, max_length=255, description="Of executions with one key there is one at a time."
    )
    unique_for: Duration | None = Field(default=None, examples=["1h"])
    callback: CallbackTarget | None = Field(default=None, description=_CALLBACK, examples=[_EXAMPLE])


def build_helper_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/helpers``."""
    routes = build_router("/helpers", "helpers")

    @routes.get("", summary="List helpers", response_model=HelperPage, **needs(_READ, errors=(400,)))
    def list_helpers(
        caller: Caller,
        limit: Limit = 50,
        cursor: Cursor = None,
        name: Annotated[str | None, Query(max_length=200, description="Only names that hold this.")] = None,
    ) -> Response:
        """Helpers and instances by name, each with its schedules and when it is due next."""
        return as_json(helper_page(hub, caller, limit=limit, cursor=cursor, name=name or ""))

    # Before the routes that end in the name: an instance's name has a slash, so a name matches whole paths.
    @routes.post(
        "/{name:path}/enable", summary="Enable", response_model=HelperChangeDocument, **needs(_MANAGE, errors=(404,))
    )
    def enable(caller: Caller, name: Name, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: B008 - frozen default
        """Plan its schedules from now on; the answer says how many due times were planned."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.enable(name, reason=body.reason).to_document())

    @routes.post(
        "/{name:path}/disable", summary="Disable", response_model=HelperChangeDocument, **needs(_MANAGE, errors=(404,))
    )
    def disable(caller: Caller, name: Name, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: B008 - as above
        """Take its future due times out of the plan; history stays."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.disable(name, reason=body.reason).to_document())

    @routes.post(
        "/{name:path}/pause",
        summary="Pause",
        response_model=HelperChangeDocument,
        **needs(_MANAGE, errors=(400, 404, 409)),
    )
    def pause(caller: Caller, name: Name, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: B008 - as above
        """Start nothing of it; planning goes on, and what is due waits."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.pause(name, reason=body.reason).to_document())

    @routes.post(
        "/{name:path}/resume",
        summary="Resume",
        response_model=HelperChangeDocument,
        **needs(_MANAGE, errors=(400, 404, 409)),
    )
    def resume(caller: Caller, name: Name, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: B008 - as above
        """Start what waits for it, at once."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.resume(name, reason=body.reason).to_document())

    @routes.post(
        "/{name:path}/reset", summary="Reset", response_model=HelperChangeDocument, **needs(_MANAGE, errors=(404,))
    )
    def reset(caller: Caller, name: Name) -> Response:
        """Drop what operators changed: what its plugin declares holds again."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.reset(name).to_document())

    @routes.post(
        "/{name:path}/run",
        status_code=202,
        summary="Run",
        response_model=StartedDocument,
        **needs(_RUN, spooled=True, errors=(400, 404, 413)),
    )
    def run(
        caller: Caller,
        name: Name,
        body: Annotated[RunBody, Body()] = RunBody(),  # noqa: B008 - as above
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Start an execution, now or later. With `Idempotency-Key`, the same request again starts nothing new."""
        return as_json(start(hub, caller, name, body, idempotency_key), 202)

    @routes.get("/{name:path}", summary="Show a helper", response_model=HelperDocument, **needs(_READ, errors=(404,)))
    def show(caller: Caller, name: Name) -> Response:
        """One helper; its `ETag` is what `If-Match` of an update takes."""
        check_sees(hub, caller, name)
        document = hub.helpers.show(name)
        return as_json(document, headers={"ETag": _tag(document)})

    @routes.put(
        "/{name:path}",
        summary="Update a helper",
        response_model=HelperChangeDocument | HelperPreviewDocument,
        **needs(_MANAGE, errors=(400, 404, 409, 412)),
    )
    def update(
        caller: Caller,
        name: Name,
        body: Annotated[HelperUpdateBody, Body()],
        dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
        if_match: Annotated[str | None, Header(description="The ETag that was seen.", max_length=200)] = None,
    ) -> Response:
        """Change schedule, priority, expiry, payload, limits or switch, beside what its plugin declares."""
        return change(hub, caller, name, body, dry_run=dry_run, if_match=if_match)

    return routes


def helper_page(hub: Hub, caller: Principal, *, limit: int, cursor: str | None, name: str = "") -> dict[str, Any]:
    """Return a page of the helpers whose names hold ``name``."""
    found, more = hub.helpers.page(
        after=read_name_cursor(cursor, "after"),
        limit=limit,
        wanted=lambda key, queue: caller.sees(key, queue) and name in key,
    )
    return {"helpers": found, "next_cursor": write_cursor({"after": found[-1]["name"]}) if more else None}


def change(
    hub: Hub, caller: Principal, name: str, body: HelperUpdateBody, *, dry_run: bool, if_match: str | None
) -> Response:
    """Return the answer to an update of a helper."""
    check_sees(hub, caller, name, create=body.create)
    update = read_update(body)
    if dry_run:
        return as_json(hub.helpers.preview(name, update, create=body.create))

    def check(document: dict[str, Any]) -> None:
        if if_match not in ("*", _tag(document)):
            message = f"'{name}' was changed since you looked."
            raise Outdated(message, hint="Get it again, look at what changed, and send its ETag.")

    made = hub.helpers.update(name, update, reason=body.reason, create=body.create, check=check if if_match else None)
    return as_json(made.to_document())


def start(hub: Hub, caller: Principal, name: str, body: RunBody, idempotency_key: str | None = None) -> dict[str, Any]:
    """Enqueue what a request asks for; return its document."""
    _check_runs(hub, caller, name)
    options = EnqueueOptions(
        delay=read_duration(body.delay, "delay"),
        at=read_time(body.at),
        priority=body.priority,
        id=id_of_request(caller, name, body.id, idempotency_key),
        expires_after=read_duration(body.expires_after, "expires_after"),
        metadata=body.metadata,
        trigger=Trigger.MANUAL,
        wait=timedelta(0),
        unique_key=body.unique_key,
        unique_for=read_duration(body.unique_for, "unique_for"),
        callback=body.callback,
    )
    accepted = hub.accepting.accept(name, body.payload, options)
    found = accepted.id
    if accepted.spooled:
        return {**_started(name, found), "spooled": True}
    if not found.existed:
        hub.audit.note("helper.run", name, after={"execution": str(found)})
    return _started(name, found)


def _started(name: str, found: ExecutionId) -> dict[str, Any]:
    said = "was enqueued before" if found.existed else "enqueued"
    return {
        "id": found,
        "existed": found.existed,
        "status": "enqueued",
        "message": f"Helper '{name}' {said}",
        "application": name,
        "task_id": found,
    }


def _check_runs(hub: Hub, caller: Principal, name: str) -> None:
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
    if row is not None and not caller.sees(name, row.spec.queue):
        message = f"No helper is named '{name}', or it isn't one of this key's."
        raise NotFound(message)


def read_update(body: HelperUpdateBody) -> HelperUpdate:
    """Return what a body wants changed.

    Raises:
        UsageError: Nothing, or something that can't be understood.
    """
    if not body.model_fields_set & set(_CHANGES) or body.schedules == {}:
        message = "There is nothing to change."
        raise UsageError(message, hint="/docs shows what can be.")
    schedules: dict[str, Schedule] = {}
    fields: dict[str, Any] = {}
    if body.schedules is not None:
        schedules, fields = read_schedules(body.schedules)
    if body.schedule is not None:
        schedule, more = read_schedule(body.schedule)
        schedules |= {"": schedule} if schedule is not None else {}
        fields |= more
    given: dict[str, Any] = {"priority": body.priority, "enabled": body.enabled, "callback": body.callback}
    given["expires_after"] = read_duration(body.expires_after, "expires_after")
    has_payload = "payload" in body.model_fields_set
    limits = read_limits(body.limits)
    own = {key: value for key, value in given.items() if value is not None}
    return HelperUpdate(
        schedules=schedules or None, payload=body.payload, has_payload=has_payload, limits=limits, **{**fields, **own}
    )


def check_sees(hub: Hub, caller: Principal, name: str, *, create: bool = False) -> None:
    """Refuse a helper that there isn't, or that ``caller`` may not know of.

    Args:
        hub: Knows the helpers.
        caller: Who asks.
        name: ``helper[/instance]``.
        create: The instance needn't be there; it will have its helper's queue.

    Raises:
        NotFound: There is none, for all that he may know.
    """
    row = hub.helpers.find(name)
    if row is None and create:
        row = hub.helpers.find(split_key(name)[0])
    if row is None and not caller.is_narrowed:
        hub.helpers.row(name)  # raises, and names close ones, which a narrowed key may not know of
    if row is None or not caller.sees(name, row.spec.queue):
        message = f"No helper is named '{name}', or it isn't one of this key's."
        raise NotFound(message)


def _tag(document: dict[str, Any]) -> str:
    # The next due time changes by itself.
    return etag_of({key: value for key, value in document.items() if key != "next_due_at"})
