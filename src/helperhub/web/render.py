"""Pages from templates: escaped, with the person's session, under whatever path a proxy serves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from helperhub import __version__
from helperhub.model.access import Scope
from helperhub.model.instant import parse_instant
from helperhub.services.sessions import Session
from helperhub.web.charts import chart_ended, chart_times

STATIC = Path(__file__).parent / "static"
#: No inline script or style, nothing from elsewhere; data: is for the icons of the style sheet.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
#: The pages of the navigation: path, name, key after "g".
PAGES = (
    ("", "Now", "n"),
    ("timeline", "Timeline", "t"),
    ("helpers", "Helpers", "h"),
    ("executions", "Executions", "e"),
    ("dead", "Dead letters", "d"),
    ("queues", "Queues", "q"),
    ("workers", "Workers", "w"),
    ("statistics", "Statistics", "s"),
    ("alerts", "Alerts", "a"),
    ("webhooks", "Webhooks", "b"),
    ("plugins", "Plugins", "p"),
    ("keys", "Keys", "k"),
    ("audit", "Audit", "u"),
    ("settings", "Settings", "x"),
)
#: Pages for those only who have the scope and see the whole hub, as their routes say.
WHOLE_PAGES = {
    "workers": Scope.READ,
    "plugins": Scope.READ,
    "keys": Scope.ADMIN,
    "audit": Scope.ADMIN,
    "settings": Scope.ADMIN,
}


class Pages:
    """Makes pages.

    Args:
        hub: The hub's name, in every title.
        known: Paths of the pages there are; the navigation has these.
    """

    def __init__(self, hub: str, known: set[str]) -> None:
        """Load nothing yet: templates are read when they are first shown."""
        self.hub = hub
        self._navigation = [page for page in PAGES if page[0] in known]
        self._templates = _environment()

    def page(self, request: Request, name: str, *, code: int = 200, **given: Any) -> HTMLResponse:
        """Return a whole page, or its main part where htmx asks for that.

        Args:
            request: Answered.
            name: The template's, such as ``now.html``.
            code: The HTTP status.
            given: What the template shows.
        """
        asked = request.headers
        # Going back asks with both headers, and puts the answer in the place of everything.
        is_back = asked.get("hx-boosted") == "true" or asked.get("hx-history-restore-request") == "true"
        partial = asked.get("hx-request") == "true" and not is_back
        return self._answer(request, name, code, {**given, "layout": "part.html" if partial else "page.html"})

    def part(self, request: Request, name: str, **given: Any) -> HTMLResponse:
        """Return a piece of a page, as it stands in its template."""
        return self._answer(request, name, 200, given)

    def path(self, request: Request, path: str = "") -> str:
        """Return where a page is, such as ``helpers``, with the path that a proxy serves the dashboard under."""
        return f"{request.scope.get('root_path', '')}/ui/{path}"

    def _answer(self, request: Request, name: str, status: int, given: Mapping[str, Any]) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        session: Session | None = getattr(request.state, "session", None)
        text = self._templates.get_template(name).render(
            **given,
            hub=self.hub,
            version=__version__,
            navigation=[page for page in self._navigation if _may_open(session, page[0])],
            here=request.url.path.removeprefix(root).removeprefix("/ui").strip("/"),
            session=session,
            may=lambda scope: session is not None and session.caller.may(Scope(scope)),
            ui=lambda path="": f"{root}/ui/{path}",
            asset=lambda path: f"{root}/ui/static/{path}?{_digest(path)}",
        )
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Vary": "HX-Request, Cookie"}
        # Half of a surrogate pair in what code has enqueued must not end the page.
        return HTMLResponse(text.encode(errors="replace"), status, headers=headers)


def _may_open(session: Session | None, path: str) -> bool:
    """Return whether a page of the navigation would be shown."""
    if session is None:
        return False
    scope = WHOLE_PAGES.get(path)
    return scope is None or (session.caller.may(scope) and not session.caller.is_narrowed)


@cache
def _digest(path: str) -> str:
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("helperhub.web"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"moment": moment, "json": show_json, "span": show_span, "count": show_count, "size": show_size}
    found.filters |= {"chart_ended": chart_ended, "chart_times": chart_times}
    return found


def moment(at: str | datetime | None, *, how: str = "ago") -> Markup:
    """Return an instant as an element that the page's script shows in the viewer's zone.

    Args:
        at: RFC 3339, or an aware time; None is a dash.
        how: ``ago`` for "3 min ago", ``until`` for a countdown, ``clock`` for a time of day, ``minute`` for one without
            seconds, ``full`` for both.
    """
    if at is None:
        return Markup("&ndash;")
    utc = (parse_instant(at) if isinstance(at, str) else at).astimezone(UTC)
    text = utc.strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}" data-how="{}">{} UTC</time>').format(utc.isoformat(), how, text)


def show_json(value: Any) -> str:
    """Return a value as indented JSON, whatever has got into it; see `api.answers.write_json`."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    except TypeError:
        return json.dumps(value, indent=2, default=str, skipkeys=True)


def show_span(ms: float | None) -> str:
    """Return a number of ms for people: ``850 ms``, ``2.4 s``, ``3 min``, ``5.1 h``; a dash for None."""
    if ms is None:
        return "\u2013"
    for limit, divisor, unit in ((1000, 1, "ms"), (60_000, 1000, "s"), (3_600_000, 60_000, "min")):
        if ms < limit:
            number = ms / divisor
            return f"{number:.0f} {unit}" if unit == "ms" or number >= 10 else f"{number:.1f} {unit}"
    return f"{ms / 3_600_000:.1f} h"


def show_size(size: int | None) -> str:
    """Return a number of bytes for people: ``850 kB``, ``64 MB``, ``1.2 GB``; a dash for none that is known."""
    if not size:
        return "\u2013"
    for divisor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= divisor:
            number = size / divisor
            return f"{number:.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"
    return f"{size} bytes"


def show_count(number: float) -> str:
    """Return a number with its thousands parted."""
    return f"{number:,}"
