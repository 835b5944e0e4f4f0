"""Plugins: what the scheduler has loaded, and what it couldn't, with the reason and what to do."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from helperhub.api.access import build_router, of_session
from helperhub.errors import ArchiveError, NotFound
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.plugin_quality import SPAN, declared_of, lately_of
from helperhub.web.confirm import problem_of
from helperhub.web.kept import Kept
from helperhub.web.render import Pages

#: What needs somebody comes first.
_ORDER = {"quarantined": 0, "loaded": 1, "blocked": 2}


def build_plugins_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the route of the page of plugins; they are of the whole hub."""
    routes = build_router("", "dashboard")
    kept = Kept()

    @routes.get("/plugins", **of_session(Scope.READ, whole=True))
    def show(request: Request) -> Response:
        found = hub.installed.show()
        plugins: list[dict[str, Any]] = found["plugins"] if found else []
        plugins.sort(key=lambda one: (_ORDER.get(one["state"], 3), not one["problems"], one["name"]))
        given: dict[str, Any] = {
            "found": found,
            "plugins": plugins,
            "declared": declared_of(hub.helpers),
            "days": SPAN.days,
        }
        return pages.page(request, "plugins.html", title="Plugins", **given, **kept.ask("lately", lambda: _lately(hub)))

    return routes


def _lately(hub: Hub) -> dict[str, Any]:
    try:
        return {"lately": lately_of(hub.helpers, hub.statistics), "problem": ""}
    except (ArchiveError, NotFound) as error:
        return {"lately": {}, "problem": problem_of(error)}
