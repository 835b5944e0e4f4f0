"""The audit trail: who did what and how it was before, filtered, exported, and checked for being whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from helperhub.api.access import build_router, of_session
from helperhub.api.answers import read_name_cursor, write_cursor, write_json
from helperhub.api.routes.audit import is_entry_id
from helperhub.errors import ArchiveError, NoSuchPage, NotFound, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.model.duration import parse_duration
from helperhub.model.instant import parse_instant
from helperhub.services.audit import AuditFilter
from helperhub.web.confirm import problem_of
from helperhub.web.render import Pages

Word = Annotated[str, Query(max_length=300)]
_SHOWN = 50
_LINES = "application/x-ndjson"
_OPTIONS: dict[str, Any] = of_session(Scope.ADMIN, whole=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form asks for, as it was written."""

    who: str = ""
    action: str = ""
    target: str = ""
    since: str = ""
    until: str = ""

    def read(self, now: datetime) -> AuditFilter:
        """Return it as a filter.

        Raises:
            UsageError: A time can't be understood.
        """
        times = (_read_time(text, now) for text in (self.since, self.until))
        return AuditFilter(self.who or None, self.action or None, self.target or None, *times)

    def query(self, **more: str) -> str:
        """Return it as a link's query."""
        fields = {name: getattr(self, name) for name in ("who", "action", "target", "since", "until")}
        return urlencode({name: value for name, value in (fields | more).items() if value})


def _read_asked(who: Word = "", action: Word = "", target: Word = "", since: Word = "", until: Word = "") -> Asked:
    return Asked(*(one.strip() for one in (who, action, target, since, until)))


Filters = Annotated[Asked, Depends(_read_asked)]


def build_audit_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the audit trail's page; for admins of the whole hub."""
    routes = build_router("", "dashboard")

    @routes.get("/audit", **_OPTIONS)
    def show(request: Request, asked: Filters, cursor: Word = "") -> Response:
        return pages.page(request, "audit.html", title="Audit", asked=asked, **_look(hub, asked, cursor))

    @routes.get("/audit/export", **_OPTIONS)
    def export(asked: Filters) -> Response:
        wanted = asked.read(_now(hub))

        def lines() -> Iterator[bytes]:
            for entry in hub.audit.export(wanted):
                yield write_json(entry) + b"\n"

        headers = {"Content-Disposition": 'attachment; filename="audit.ndjson"', "Cache-Control": "no-store"}
        return StreamingResponse(lines(), media_type=_LINES, headers=headers)

    @routes.get("/audit/verify", **_OPTIONS)
    def verify(request: Request) -> Response:
        try:
            found = hub.audit.verify()
        except (NotFound, ArchiveError) as error:
            return pages.part(request, "audit_verified.html", found=None, problem=problem_of(error))
        return pages.part(request, "audit_verified.html", found=found, problem="")

    return routes


def _look(hub: Hub, asked: Asked, cursor: str) -> dict[str, Any]:
    before = read_name_cursor(cursor or None, "before")
    if before and not is_entry_id(before):
        raise NoSuchPage
    try:
        wanted = asked.read(_now(hub))
    except UsageError as error:
        return {"entries": [], "older": "", "problem": problem_of(error), "cursor": ""}
    found = hub.audit.find(wanted, limit=_SHOWN + 1, before=before or None)
    page = found[:_SHOWN]
    older = asked.query(cursor=write_cursor({"before": page[-1]["id"]})) if len(found) > _SHOWN else ""
    return {"entries": page, "older": older, "problem": "", "cursor": cursor}


def _now(hub: Hub) -> datetime:
    return hub.api_keys.now()


def _read_time(text: str, now: datetime) -> datetime | None:
    """Return a time: RFC 3339, or a duration that counts back.

    Raises:
        UsageError: It is neither.
    """
    if not text:
        return None
    try:
        return now - parse_duration(text)
    except UsageError:
        return parse_instant(text)
