"""A span around each request; only there where HELPERHUB_OTEL_ENDPOINT is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helperhub.api.refusals import route_of

if TYPE_CHECKING:
    from helperhub.telemetry.traces import Traces

_HEADERS = frozenset({"traceparent", "tracestate"})
#: Asked every few seconds, by machines, and part of no trace.
_UNTOLD = frozenset({"/healthz", "/readyz", "/metrics"})


class Tracing:
    """Begins a request's span, or goes on with the one that its ``traceparent`` names."""

    def __init__(self, app: ASGIApp, *, traces: Traces) -> None:
        """Tell of what ``app`` answers."""
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["path"] in _UNTOLD:
            await self._app(scope, receive, send)
            return
        raw = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        headers = {name: value for name, value in raw if name in _HEADERS}
        status = 500

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._traces.request(scope["method"], headers) as span:
            try:
                await self._app(scope, receive, watching)
            finally:
                span.answered(status, route_of(scope))
