"""What every request passes before any route: its host, the size of its body and how long that takes to arrive.

The body is taken in whole here, within its limits, so that no route and no thread ever waits for a slow client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helperhub.api import problems

LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
_EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: Of answers that don't bring their own: data, which no browser is to keep or to run.
_DATA = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
#: Two years, as https://hstspreload.org asks for.
_HSTS = "max-age=63072000"


class Shield:
    """Refuses what no route should see, and marks every answer for browsers.

    Args:
        app: What comes behind it.
        hosts: Names that requests may be for; ``*`` allows any.
        max_body: Largest body, bytes.
        patience_s: How long a body may take to arrive, seconds.
        https: Whether this server speaks TLS itself.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str], max_body: int, patience_s: float, https: bool = False
    ) -> None:
        """Keep them."""
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_body = max_body
        self._patience_s = patience_s
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = self._marked(send)
        headers = Headers(scope=scope)
        host = _name_of(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            detail = f"This server doesn't answer for '{host[:100]}'."
            hint = "Add the name to HELPERHUB_WEB__ALLOWED_HOSTS."
            await problems.answer(421, detail, code="wrong_host", hint=hint)(scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_body:
            await self._too_large()(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._patience_s):
                body = await self._take_in(receive)
        except TimeoutError:
            detail = f"The request didn't arrive within {self._patience_s:g} s."
            await problems.answer(408, detail, code="too_slow", headers={"Connection": "close"})(scope, receive, send)
            return
        if body is None:
            await self._too_large()(scope, receive, send)
            return
        await self._app(scope, _replaying(body, receive), send)

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

    def _too_large(self) -> Any:
        detail = f"The body is larger than {self._max_body} bytes, the most that is taken."
        hint = "HELPERHUB_WEB__MAX_BODY sets that."
        return problems.answer(413, detail, code="too_large", hint=hint, headers={"Connection": "close"})

    def _marked(self, send: Send) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _EVERY_ANSWER.items():
                    headers[name] = value
                for name, value in _DATA.items():
                    headers.setdefault(name, value)
                if self._https:
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


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
