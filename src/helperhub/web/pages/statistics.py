"""Statistics: how often, how well, how long and at what cost, over a span; the weekly report as it is mailed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.archive.statistics import Which
from helperhub.errors import ArchiveError, NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.schedules.weeks import Week
from helperhub.services.report_page import POLICY
from helperhub.services.statistics import ORDERS, WEEKDAYS, Wish
from helperhub.web.confirm import problem_of
from helperhub.web.kept import Kept
from helperhub.web.render import Pages

Word = Annotated[str, Query(max_length=200)]
#: What the page offers: how far it goes back, and the length of a step of its charts.
SPANS = {"24h": (timedelta(days=1), "hour"), "7d": (timedelta(days=7), "hour"), "30d": (timedelta(days=30), "day")}
SPANS["90d"] = (timedelta(days=90), "day")
_SHOWN = 50
_WEEKS = 4
#: Shades of the hours of the week.
_SHADES = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at, as it was asked for; what can't be is replaced by what is usual."""

    span: str
    order: str
    helper: str
    queue: str

    def wish(self, hub: Hub, caller: Principal) -> Wish:
        """Return the span, and whose executions: never what the caller may not see."""
        until = hub.statistics.now()
        which = Which(self.helper or None, self.queue or None, caller.helpers, caller.queues)
        return Wish(until - SPANS[self.span][0], until, which)

    def query(self, **other: str) -> str:
        """Return it as a link's query, with something else in it."""
        fields = {name: getattr(self, name) for name in ("span", "order", "helper", "queue")}
        return urlencode({name: value for name, value in (fields | other).items() if value})


def _read_asked(span: Word = "", order: Word = "", helper: Word = "", queue: Word = "") -> Asked:
    span, order = span if span in SPANS else "24h", order if order in ORDERS else "busiest"
    return Asked(span, order, helper.strip(), queue.strip())


def build_statistics_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the page of statistics, and of the weekly report."""
    routes = build_router("", "dashboard")
    kept = Kept()

    @routes.get("/statistics", **of_session(Scope.READ))
    def show(request: Request, caller: Caller, asked: Annotated[Asked, Depends(_read_asked)]) -> Response:
        given: dict[str, Any] = {
            "asked": asked,
            "spans": list(SPANS),
            "orders": list(ORDERS),
            "weeks": _weeks(hub, caller),
        }
        try:
            # Nobody sees what was found for somebody who may see other helpers or queues.
            key = asked, caller.helpers, caller.queues
            given |= {"problem": "", **kept.ask(key, lambda: _look(hub, caller, asked))}
        except (NotFound, ArchiveError) as error:
            given["problem"] = problem_of(error)
        return pages.page(request, "statistics.html", title="Statistics", **given)

    @routes.get("/report", **of_session(Scope.READ, whole=True))
    def report(week: Word = "") -> Response:
        # The document that is mailed, which has its styles in it: a page of its own with a policy of its own, under
        # which nothing runs and nothing is fetched, rather than a hole in the policy of all other pages.
        text = hub.reports.html(hub.reports.weekly(week or None))
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return Response(text, headers=headers, media_type="text/html")

    return routes


def _look(hub: Hub, caller: Principal, asked: Asked) -> dict[str, Any]:
    wish = asked.wish(hub, caller)
    hours = hub.statistics.hours(wish, timezone=hub.settings.timezone)
    return {
        "summary": hub.statistics.summary(wish),
        "helpers": hub.statistics.helpers(wish, order=asked.order, limit=_SHOWN)["helpers"],
        "queues": hub.statistics.queues(wish, order=asked.order, limit=_SHOWN)["queues"],
        "series": hub.statistics.series(wish, by=SPANS[asked.span][1], times=True),
        "hours": {"timezone": hours["timezone"], "days": list(zip(WEEKDAYS, _shaded(hours["counts"]), strict=True))},
    }


def _shaded(counts: list[list[int]]) -> list[list[tuple[int, int]]]:
    """Return each count with its shade: 0 for none, up to `_SHADES` for the most."""
    most = max(map(max, counts)) or 1
    return [[(count, -(-count * _SHADES // most)) for count in day] for day in counts]


def _weeks(hub: Hub, caller: Principal) -> list[str]:
    """Return the last weeks that are over; none for who sees a part of the hub."""
    if caller.is_narrowed:
        return []
    week = Week.last_before(hub.statistics.now(), hub.settings.timezone)
    found = []
    for _ in range(_WEEKS):
        found.append(week.name)
        week = week.previous()
    return found
