"""What the command palette finds beside pages and actions: helpers, an execution by its id, searches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.api.answers import as_json
from helperhub.api.routes.executions import seen
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution
from helperhub.services.helper_list import suggest_helpers
from helperhub.web.render import Pages

_MOST_HELPERS = 8
#: Ids that HelperHub gives, planned ones too. What callers named themselves is found while Redis has it.
_OURS = re.compile(r"[0-9a-hjkmnp-tv-z]{22}|\S+@\d{8}T\d{6}Z")
Text = Annotated[str, Query(max_length=600)]


def build_palette(hub: Hub, pages: Pages) -> APIRouter:
    """Return the route ``/palette``."""
    routes = build_router("", "dashboard")

    @routes.get("/palette", **of_session(Scope.READ))
    def find(request: Request, caller: Caller, q: Text = "") -> Response:
        text = q.strip()
        found = [*_find(hub, caller, text)] if text else []
        return as_json({"found": [{**one, "path": pages.path(request, one["path"])} for one in found]})

    return routes


def _find(hub: Hub, caller: Principal, text: str) -> Iterator[dict[str, Any]]:
    execution = _execution(hub, caller, text)
    if execution is not None:
        note = f"{execution.helper}, {execution.status.value}"
        yield {"kind": "Execution", "name": execution.id, "note": note, "path": f"executions/{quote(execution.id)}"}
    for view in hub.views.all():
        if text.casefold() in view.name.casefold():
            yield {"kind": "Saved", "name": view.name, "note": view.query, "path": f"executions?q={quote(view.query)}"}
    for name, description in suggest_helpers(hub.helpers, text, caller.sees, limit=_MOST_HELPERS):
        yield {"kind": "Helper", "name": name, "note": description, "path": f"helpers/{quote(name)}"}
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    query = quote(f'"{quoted}"')
    yield {"kind": "Search", "name": f"Executions with '{text}'", "note": "", "path": f"executions?q={query}"}


def _execution(hub: Hub, caller: Principal, text: str) -> Execution | None:
    if _OURS.fullmatch(text):
        with suppress(NotFound):
            return seen(hub, caller, text)
        return None
    found = None if " " in text else hub.executions.records.get(text)
    return found if found is not None and caller.sees(found.helper, found.queue) else None


__all__ = ["build_palette"]
