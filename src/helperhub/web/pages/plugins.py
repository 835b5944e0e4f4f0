"""Plugins: what the scheduler has loaded, and what it couldn't, with the reason and what to do."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from helperhub.api.access import build_router, of_session
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.web.render import Pages

#: What needs somebody comes first.
_ORDER = {"quarantined": 0, "loaded": 1, "blocked": 2}


def build_plugins_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the route of the page of plugins; they are of the whole hub."""
    routes = build_router("", "dashboard")

    @routes.get("/plugins", **of_session(Scope.READ, whole=True))
    def show(request: Request) -> Response:
        found = hub.installed.show()
        plugins: list[dict[str, Any]] = found["plugins"] if found else []
        plugins.sort(key=lambda one: (_ORDER.get(one["state"], 3), not one["problems"], one["name"]))
        return pages.page(request, "plugins.html", title="Plugins", found=found, plugins=plugins)

    return routes
