"""Which methods a path has: names hold slashes, so one path may fit several routes, and the nearest one decides.

``PUT /helpers/weather/run`` isn't an update of an instance called ``run``: that path is there to start the helper.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from helperhub.api import problems

_Table = list[tuple[re.Pattern[str], frozenset[str]]]


class Methods:
    """Answers 405, with the methods that there are, where a path is known and the method isn't.

    Args:
        app: What comes behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Keep it."""
        self._app = app
        #: Made with the first request: then all routes have been added.
        self._table: _Table | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "http":
            if self._table is None:
                self._table = build_table(scope["app"].routes)
            path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
            methods = next((methods for pattern, methods in self._table if pattern.match(path)), None)
            if methods is not None and scope["method"] not in methods:
                await problems.not_possible(scope["method"], path, methods)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def build_table(routes: Iterable[BaseRoute]) -> _Table:
    """Return the patterns of all paths with their methods, those with more fixed words first."""
    found: dict[str, set[str]] = {}
    for route in iter_route_contexts(list(routes)):
        if isinstance(route.original_route, APIRoute):
            found.setdefault(str(route.path), set()).update(route.methods or ())
    ordered = sorted(found, key=lambda path: (-_count_words(path), path.count("{"), path))
    return [(compile_path(path)[0], frozenset(found[path])) for path in ordered]


def _count_words(path: str) -> int:
    return sum("{" not in part for part in path.split("/"))
