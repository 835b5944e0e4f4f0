"""The audit trail over HTTP: list and export it. For admins only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from helperhub.api.access import build_router, needs
from helperhub.api.answers import Cursor, Limit, as_json, read_cursor, write_cursor, write_json
from helperhub.api.bodies import read_time
from helperhub.api.documents.audit import AuditPage
from helperhub.api.words import Moment
from helperhub.errors import NoSuchPage
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.audit import AuditFilter

_LINES = "application/x-ndjson"
#: Of an entry of a Redis stream: two numbers of 64 bits.
_ENTRY_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")


def build_audit_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/audit``."""
    routes = build_router("/audit", "audit")

    @routes.get("", summary="List entries", response_model=AuditPage, **needs(Scope.ADMIN, whole=True, errors=(400,)))
    def list_entries(
        who: Annotated[str | None, Query(max_length=300, examples=["key:3f9aK2mPq8Zx"])] = None,
        action: Annotated[
            str | None, Query(max_length=100, examples=["helper."], description="`helper.` means all that begin so.")
        ] = None,
        target: Annotated[str | None, Query(max_length=300)] = None,
        since: Annotated[Moment | None, Query(description="At or after, RFC 3339.")] = None,
        until: Annotated[Moment | None, Query(description="Before, RFC 3339.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """Who did what, newest first: keys, people and plugins, from the command line and over HTTP alike."""
        wanted = AuditFilter(who, action, target, read_time(since), read_time(until))
        before = read_cursor(cursor, "before").get("before")
        if before is not None and not is_entry_id(str(before)):
            raise NoSuchPage
        found = hub.audit.find(wanted, limit=limit + 1, before=before)
        page = found[:limit]
        following = write_cursor({"before": page[-1]["id"]}) if len(found) > limit else None
        return as_json({"entries": page, "next_cursor": following})

    options = needs(Scope.ADMIN, whole=True)
    options["responses"][200] = {
        "description": "JSON documents, one a line.",
        "content": {_LINES: {"schema": {"type": "string"}}},
    }

    @routes.get("/export", summary="Export all entries", response_class=StreamingResponse, **options)
    def export() -> Response:
        """All of it, newest first, one JSON document a line."""

        def lines() -> Iterator[bytes]:
            for entry in hub.audit.export(AuditFilter()):
                yield write_json(entry) + b"\n"

        return StreamingResponse(lines(), media_type=_LINES)

    return routes


def is_entry_id(text: str) -> bool:
    """Return whether ``text`` can be the id of an entry."""
    found = _ENTRY_ID.fullmatch(text)
    return found is not None and all(int(part) < 2**64 for part in found.groups())
