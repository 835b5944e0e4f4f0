"""Settings: each with its value and where that came from; secrets never."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import build_router, of_session
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.settings.listing import DEFAULT, SettingRow, list_plugin_variables, list_settings
from helperhub.web.render import Pages

Word = Annotated[str, Query(max_length=200)]
_OF_PLUGINS = "Of a plugin."


def build_settings_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the route of the page of settings; for admins of the whole hub."""
    routes = build_router("", "dashboard")

    @routes.get("/settings", **of_session(Scope.ADMIN, whole=True))
    def show(request: Request, q: Word = "", only: Word = "") -> Response:
        rows = list(list_settings(hub.loaded))
        rows += [SettingRow(*one, _OF_PLUGINS) for one in list_plugin_variables(hub.loaded)]
        wanted = q.strip().casefold()
        found = [one for one in rows if wanted in f"{one.variable} {one.meaning}".casefold()]
        if only == "set":
            found = [one for one in found if one.source != DEFAULT]
        given: dict[str, Any] = {"settings": found, "all": len(rows), "q": q, "only": only, "default": DEFAULT}
        return pages.page(request, "settings.html", title="Settings", **given)

    return routes
