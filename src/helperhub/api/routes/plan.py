"""The look-ahead over HTTP: list it; skip, move or run one planned execution."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import Field

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Cursor, Limit, as_json, read_cursor, write_cursor
from helperhub.api.bodies import Reason
from helperhub.api.documents.executions import PlanChangeDocument, PlanPage
from helperhub.api.words import Moment
from helperhub.errors import NoSuchPage, NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.instant import parse_instant

#: Further into the plan no page begins; Redis counts in 64 bits.
_MOST_DONE = 2**31
_EXAMPLE = "weather@20261123T083000Z"
Id = Annotated[str, Path(description="The planned execution's id.", examples=[_EXAMPLE], max_length=300)]


class MoveBody(Reason):
    """When a planned execution is to be due instead."""

    to: Moment = Field(examples=["2026-11-23T09:00:00Z"], description="A time to come, RFC 3339.")


def build_plan_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/plan``."""
    routes = build_router("/plan", "plan")

    @routes.get("", summary="List the plan", response_model=PlanPage, **needs(Scope.READ, errors=(400,)))
    def list_plan(
        caller: Caller,
        helper: Annotated[str | None, Query(max_length=200, description="Only of this helper or instance.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """Planned executions of the look-ahead window, by due time, then priority."""
        return as_json(plan_page(hub, caller, helper=helper, limit=limit, cursor=cursor))

    @routes.post(
        "/{id:path}/skip", summary="Skip", response_model=PlanChangeDocument, **needs(Scope.MANAGE, errors=(404,))
    )
    def skip(caller: Caller, id: Id, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: A002, B008 - DESIGN's word; a frozen default
        """Leave one planned execution out; it is recorded as skipped, with the reason."""
        _check_planned(hub, caller, id)
        return as_json(hub.plan.skip(id, reason=body.reason).to_document())

    @routes.post(
        "/{id:path}/move",
        summary="Move",
        response_model=PlanChangeDocument,
        **needs(Scope.MANAGE, errors=(400, 404, 409)),
    )
    def move(caller: Caller, id: Id, body: Annotated[MoveBody, Body()]) -> Response:  # noqa: A002 - as above
        """Make one planned execution due at another time; its id stays."""
        _check_planned(hub, caller, id)
        return as_json(hub.plan.move(id, to=parse_instant(body.to), reason=body.reason).to_document())

    @routes.post(
        "/{id:path}/run", summary="Run now", response_model=PlanChangeDocument, **needs(Scope.RUN, errors=(404,))
    )
    def run(caller: Caller, id: Id, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: A002, B008 - as above
        """Make one planned execution due now; it isn't planned again."""
        _check_planned(hub, caller, id)
        return as_json(hub.plan.run(id, reason=body.reason).to_document())

    return routes


def plan_page(hub: Hub, caller: Principal, *, helper: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return a page of the plan as a document."""
    done = read_cursor(cursor, "done").get("done", 0)
    if not isinstance(done, int) or not 0 <= done <= _MOST_DONE:
        raise NoSuchPage
    # Narrowed callers see a part: then all of the window has to be looked at.
    most = None if caller.is_narrowed else done + limit + 1
    planned = [one for one in hub.plan.upcoming(helper=helper, limit=most) if caller.sees(one.helper, one.queue)]
    page = planned[done : done + limit]
    following = write_cursor({"done": done + limit}) if len(planned) > done + limit else None
    return {"executions": [one.to_document() for one in page], "next_cursor": following}


def _check_planned(hub: Hub, caller: Principal, execution_id: str) -> None:
    planned = hub.plan.get(execution_id)
    if planned is None or not caller.sees(planned.helper, planned.queue):
        message = f"'{execution_id}' isn't planned, or isn't any more."
        raise NotFound(message, hint="GET /api/v1/plan shows what is.")
