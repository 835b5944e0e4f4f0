"""Statistics over HTTP: what happened over a span, by helper, queue, hour and day."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Limit, as_json
from helperhub.api.bodies import read_time
from helperhub.api.documents.statistics import (
    HelperFiguresList,
    HoursDocument,
    QueueFiguresList,
    SeriesDocument,
    SummaryDocument,
)
from helperhub.api.words import Moment
from helperhub.hub import Hub
from helperhub.model.access import Scope

Order = Annotated[
    Literal["busiest", "failing", "slowest", "flakiest", "costliest"],
    Query(description="What comes first: most ended, most failures, longest mean run, failed attempts, worker time."),
]
Zone = Annotated[
    str | None,
    Query(
        max_length=80,
        description="Zone, an IANA name; the hub's unless given.",
        json_schema_extra={"enum": [None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]},
    ),
]


class Asked:
    """What all these routes are asked: a span, and whose executions; what the caller may not see doesn't count."""

    def __init__(
        self,
        caller: Caller,
        since: Annotated[Moment | None, Query(description="At or after; 7 days before `until` unless given.")] = None,
        until: Annotated[Moment | None, Query(description="Before; now unless given.")] = None,
        helper: Annotated[
            str | None, Query(max_length=200, description="Only this helper with its instances, or instance.")
        ] = None,
        queue: Annotated[str | None, Query(max_length=200, description="Only this queue.")] = None,
    ) -> None:
        """Read them."""
        from helperhub.archive.statistics import Which  # noqa: PLC0415 - SQLAlchemy costs 0.2 s
        from helperhub.services.statistics import Wish  # noqa: PLC0415 - as above

        which = Which(helper, queue, caller.helpers, caller.queues)
        self.wish = Wish(read_time(since), read_time(until), which)


Span = Annotated[Asked, Depends()]
_READ = needs(Scope.READ, errors=(400, 404, 409))


def build_statistics_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/statistics``."""
    routes = build_router("/statistics", "statistics")

    @routes.get("/summary", summary="A span as a whole", response_model=SummaryDocument, **_READ)
    def summary(asked: Span) -> Response:
        """Counts, rates and times of what ended, beside the span of the same length before."""
        return as_json(hub.statistics.summary(asked.wish))

    @routes.get("/helpers", summary="By helper", response_model=HelperFiguresList, **_READ)
    def helpers(
        asked: Span,
        order: Order = "busiest",
        limit: Limit = 50,
        at_least: Annotated[int, Query(ge=1, le=1_000_000, description="Leave out what ended less often.")] = 1,
    ) -> Response:
        """Helpers and instances: how often, how well, how long, at what cost."""
        return as_json(hub.statistics.helpers(asked.wish, order=order, limit=limit, at_least=at_least))

    @routes.get("/queues", summary="By queue", response_model=QueueFiguresList, **_READ)
    def queues(asked: Span, order: Order = "busiest", limit: Limit = 50) -> Response:
        """Queues: how much went through each, how long it waited and ran."""
        return as_json(hub.statistics.queues(asked.wish, order=order, limit=limit))

    @routes.get("/hours", summary="The busiest hours of the week", response_model=HoursDocument, **_READ)
    def hours(asked: Span, timezone: Zone = None) -> Response:
        """How many ended in each hour of the week. Hours are kept 90 days; `since` says what was counted."""
        return as_json(
            hub.statistics.hours(asked.wish, timezone=hub.settings.timezone if timezone is None else timezone)
        )

    @routes.get("/series", summary="Hour by hour, or day by day", response_model=SeriesDocument, **_READ)
    def series(
        asked: Span,
        by: Annotated[Literal["hour", "day"], Query(description="Length of a step, UTC.")] = "day",
        times: Annotated[bool, Query(description="Also mean and p95 of waits and runs.")] = False,  # noqa: FBT002
    ) -> Response:
        """Arrays for charts; zeros where nothing ended. At most 10,000 steps."""
        return as_json(hub.statistics.series(asked.wish, by=by, times=times))

    return routes
