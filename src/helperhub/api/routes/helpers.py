"""Helpers over HTTP: list, show, enable, disable, pause, resume, update with a dry run, reset, run."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response
from pydantic import ConfigDict, Field, WithJsonSchema

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Cursor, DryRun, Limit, as_json, etag_of, read_name_cursor, write_cursor
from helperhub.api.bodies import Reason, read_duration, read_limits, read_schedule, read_schedules
from helperhub.api.documents.helpers import (
    HelperChangeDocument,
    HelperPage,
    HelperPreviewDocument,
    WholeHelperDocument,
)
from helperhub.api.named import Name, check_sees
from helperhub.api.runs import add_run_route
from helperhub.api.words import (
    LIMITS,
    SCHEDULE,
    SCHEDULES,
    CallbackChange,
    Duration,
    Priority,
    Switch,
    Whole,
)
from helperhub.errors import Outdated, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.schedule import Schedule
from helperhub.services.helpers import HelperUpdate

_EXAMPLE = "https://shop.example.org/done"
_READ, _MANAGE = Scope.READ, Scope.MANAGE


#: Any of these makes an update.
_CHANGES = ("schedule", "schedules", "priority", "expires_after", "enabled", "payload", "limits", "callback", "create")


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

    add_run_route(routes, "/{name:path}/run", hub)

    @routes.get(
        "/{name:path}", summary="Show a helper", response_model=WholeHelperDocument, **needs(_READ, errors=(404,))
    )
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


def _tag(document: dict[str, Any]) -> str:
    # The next due time changes by itself.
    return etag_of({key: value for key, value in document.items() if key != "next_due_at"})
