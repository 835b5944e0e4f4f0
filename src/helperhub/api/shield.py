"""What every request passes before any route: its host, the size of its body and how long that takes to arrive.

The body is taken in whole here, within its limits, so that no route and no thread ever waits for a slow client.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helperhub.api import problems

_log = logging.getLogger("helperhub.api")
LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
_EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: Of answers that don't bring their own: data, which no browser is to keep or to run.
_DATA = {
    "Cache-Control": "no-store",
    # base-uri and form-action don't follow from default-src (CSP 3, 6.3 and 6.4).
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
#: Two years, as https://hstspreload.org asks for. Without includeSubDomains: names below ours aren't ours.
_HSTS = "max-age=63072000"
_ALLOW = "Add the name to HELPERHUB_WEB__ALLOWED_HOSTS."
_CLOSING = {"Connection": "close"}
#: A Host header (RFC 9110, 7.2): a name or an address, and perhaps a port.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.ASCII)


#: Largest head of a request, bytes.
MOST_HEAD = 32_768


class Shield:
    """Refuses what no route should see, and marks every answer for browsers.

    Args:
        app: What comes behind it.
        hosts: Names that requests may be for; ``*`` allows any.
        max_body: Largest body, bytes.
        patience_s: How long a body may take to arrive, seconds.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], max_body: int, patience_s: float) -> None:
        """Keep them."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_body = max_body
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # By TLS of our own, or by that of a proxy whose X-Forwarded-Proto is believed.
        send = _marked(send, https=scope["scheme"] == "https")
        refused = self._refuse(scope, Headers(scope=scope))
        if refused is not None:
            await refused(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._patience_s):
                body = await self._take_in(receive)
        except TimeoutError:
            detail = f"The request didn't arrive within {self._patience_s:g} s."
            await problems.answer(408, detail, code="too_slow", headers=_CLOSING)(scope, receive, send)
            return
        if body is None:
            await self._too_large()(scope, receive, send)
            return
        await self._app(scope, _replaying(body, receive), send)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to a request whose head is enough to refuse it, or None."""
        host = _name_of(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            _log.info("host_refused", extra={"host": host[:100], "address": (scope.get("client") or ("",))[0]})
            detail = f"This server doesn't answer for '{host[:100]}'."
            return problems.answer(421, detail, code="wrong_host", hint=_ALLOW)
        if "transfer-encoding" in headers and "content-length" in headers:
            # Whichever counts, something before us may have thought otherwise (RFC 9112, 6.1).
            detail = "The request says twice how long it is: Content-Length and Transfer-Encoding."
            return problems.answer(400, detail, code="ambiguous_length", headers=_CLOSING)
        if _size_of(scope) > MOST_HEAD:
            detail = f"The head of the request is larger than {MOST_HEAD} bytes."
            return problems.answer(431, detail, code="head_too_large", headers=_CLOSING)
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_body:
            return self._too_large()
        return None

    async def _take_in(self, receive: Receive) -> bytes | None:
        """Return the body; None if it is too large. Of a client that has gone, what came."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_body:
                return None
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> Response:
        detail = f"The body is larger than {self._max_body} bytes, the most that is taken."
        hint = "HELPERHUB_WEB__MAX_BODY sets that."
        return problems.answer(413, detail, code="too_large", hint=hint, headers=_CLOSING)


def _marked(send: Send, *, https: bool) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _EVERY_ANSWER.items():
                headers[name] = value
            for name, value in _DATA.items():
                headers.setdefault(name, value)
            if https:
                headers["Strict-Transport-Security"] = _HSTS
        await send(message)

    return marked


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that hands over ``body``, then what else comes."""
    handed = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _size_of(scope: Scope) -> int:
    """Return the size of a head, bytes: h11's limit counts only what has come before the head is whole."""
    fields = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return fields + len(scope.get("raw_path") or b"") + len(scope["query_string"])


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port; empty if it is none."""
    found = _HOST.fullmatch(host.lower())
    return (found[1] or found[2]) if found else ""
