"""Reports over HTTP: a week, as a page for people or a document for programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from helperhub.api.access import build_router, needs
from helperhub.api.answers import as_json
from helperhub.api.documents.statistics import WeeklyReportDocument
from helperhub.api.routes.statistics import Zone
from helperhub.hub import Hub
from helperhub.model.access import Scope

_HTML = "text/html"
_JSON = "application/json"
_WEEK = r"20[0-9]{2}-W(0[1-9]|[1-4][0-9]|5[0-2])"


def build_report_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/reports``; they are of the whole hub."""
    routes = build_router("/reports", "statistics")
    options = needs(Scope.READ, whole=True, errors=(400, 404))
    options["responses"][200] = {"content": {_HTML: {"schema": {"type": "string"}}}}

    @routes.get("/weekly", summary="A week", response_model=WeeklyReportDocument, **options)
    def weekly(
        week: Annotated[
            str | None,
            Query(
                max_length=20,
                description="Such as `2026-W47` (ISO 8601); the last one that is over unless given.",
                json_schema_extra={"pattern": f"^{_WEEK}$"},
            ),
        ] = None,
        timezone: Zone = None,
        accept: Annotated[str, Header(max_length=1000, include_in_schema=False)] = "",
    ) -> Response:
        """Counts, rates, times, the worst helpers and what helpers reported, beside the week before.

        A page for who accepts `text/html` before `application/json`, a document for everybody else.
        """
        from helperhub.services.report_page import POLICY  # noqa: PLC0415 - SQLAlchemy costs 0.2 s

        report = hub.reports.weekly(week, timezone=timezone)
        vary = {"Vary": "Accept"}
        if not _prefers_html(accept):
            return as_json(report.to_document(), headers=vary)
        headers = {**vary, "Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return Response(hub.reports.html(report), headers=headers, media_type=_HTML)

    return routes


def _prefers_html(accept: str) -> bool:
    """Return whether an Accept header (RFC 9110, 12.5.1) wants HTML more than JSON."""
    html, json = (_quality(accept, kind) for kind in (_HTML, _JSON))
    return html > json


def _quality(accept: str, kind: str) -> float:
    """Return how much ``kind`` is wanted; the most specific range counts, and nothing given is JSON."""
    ranges = {kind: 3, f"{kind.partition('/')[0]}/*": 2, "*/*": 1}
    found = (0, 0.0)
    for part in accept.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        if name in ranges:
            weights = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
            found = max(found, (ranges[name], _read_weight(weights[0]) if weights else 1.0))
    return found[1]


def _read_weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


__all__ = ["build_report_routes"]
