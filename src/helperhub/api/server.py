"""uvicorn, with what it lacks: a limit on how slowly the head of a request may arrive."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from helperhub.errors import ConfigurationError

_KEEP_ALIVE_S = 15
_BACKLOG = 2048
#: h11 keeps a head that isn't complete up to this size, bytes.
_MOST_HEAD = 32_768


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to listen.

    Args:
        host: Address.
        port: 0 takes any that is free.
        head_patience_s: How long the head of a request may take to arrive, seconds.
        max_connections: Beyond these, new ones are answered 503.
        root_path: Under which a proxy serves it.
        proxies: Addresses whose X-Forwarded-For is believed.
        tls_cert: Certificate chain, PEM; None means plain HTTP.
        tls_key: Its key.
        stop_patience_s: How long requests may take to end once it stops.
    """

    host: str
    port: int
    head_patience_s: float
    max_connections: int
    root_path: str = ""
    proxies: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    stop_patience_s: int = 10


def listen(options: ServerOptions) -> socket.socket:
    """Return a bound socket.

    Raises:
        ConfigurationError: The address can't be had.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # With the protocol named: asyncio sends small answers at once (TCP_NODELAY) only on such sockets, and every answer
    # would wait 40 ms for the client's delayed acknowledgement else.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((options.host, options.port))
    except OSError as error:
        found.close()
        message = f"{options.host}:{options.port} can't be listened at: {error.strerror}."
        raise ConfigurationError(message, hint="Set HELPERHUB_WEB__HOST and HELPERHUB_WEB__PORT.") from error
    return found


def build_server(app: ASGIApp, options: ServerOptions) -> uvicorn.Server:
    """Return a server for ``app``; `uvicorn.Server.run` takes the socket of `listen`.

    Raises:
        ConfigurationError: The certificate can't be used.
    """
    tls: dict[str, Any] = {}
    if options.tls_cert is not None:
        tls = {"ssl_certfile": str(options.tls_cert), "ssl_keyfile": str(options.tls_key or options.tls_cert)}
    config = uvicorn.Config(
        app,
        http=_patient_protocol(options.head_patience_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        log_level="warning",
        server_header=False,
        root_path=options.root_path,
        proxy_headers=bool(options.proxies),
        forwarded_allow_ips=list(options.proxies),
        limit_concurrency=options.max_connections,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=options.stop_patience_s,
        h11_max_incomplete_event_size=_MOST_HEAD,
        **tls,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        message = f"The certificate {options.tls_cert} can't be used: {error}."
        raise ConfigurationError(message, hint="Set HELPERHUB_WEB__TLS_CERT and HELPERHUB_WEB__TLS_KEY.") from error
    return uvicorn.Server(config)


def _patient_protocol(patience_s: float) -> type[asyncio.Protocol]:
    class PatientProtocol(H11Protocol):
        """Closes a connection whose request head takes too long: uvicorn itself would wait for ever."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._deadline = self.loop.call_later(patience_s, self._give_up)

        def handle_events(self) -> None:
            before = self.cycle
            super().handle_events()
            if self.cycle is not before and self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def on_response_complete(self) -> None:
            super().on_response_complete()
            # The next head may begin whenever it likes within keep-alive; once begun it has to come.
            if self._deadline is None and not self.transport.is_closing():
                self._deadline = self.loop.call_later(patience_s + _KEEP_ALIVE_S, self._give_up)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            super().connection_lost(exc)

        def _give_up(self) -> None:
            self._deadline = None
            cycle: Any = self.cycle  # None before the first request
            if cycle is None or cycle.response_complete:
                self.transport.close()

    return PatientProtocol
