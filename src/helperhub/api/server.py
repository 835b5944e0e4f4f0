"""uvicorn, with what it lacks: limits on how slowly heads arrive and answers are read, and TLS as of today."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from helperhub.api.shield import MOST_HEAD
from helperhub.errors import ConfigurationError

_KEEP_ALIVE_S = 15
_BACKLOG = 2048
#: Whoever takes less of an answer within the patience, bytes, is cut off.
_LEAST_READ = 16_384
#: Linger for no time at all (man 7 socket).
_RESET = struct.pack("ii", 1, 0)
#: For TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325, 4.2). TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


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
    """Return a listening socket.

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
        # From here on connections wait instead of being refused: what says that it is served may say so.
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        message = f"{options.host}:{options.port} can't be listened at: {error.strerror}."
        raise ConfigurationError(message, hint="Set HELPERHUB_WEB__HOST and HELPERHUB_WEB__PORT.") from error
    return found


class Server(uvicorn.Server):
    """Tells those who answer without end that it stops: uvicorn would wait for them, and then break them off."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None] | None = None) -> None:
        """Call ``on_stop`` in the event loop once it stops."""
        super().__init__(config)
        self._on_stop = on_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and end what is under way."""
        if self._on_stop is not None:
            self._on_stop()
        await super().shutdown(sockets)


def build_server(app: ASGIApp, options: ServerOptions) -> uvicorn.Server:
    """Return a server for ``app``; `uvicorn.Server.run` takes the socket of `listen`.

    Raises:
        ConfigurationError: The certificate can't be used.
    """
    tls: dict[str, Any] = {}
    if options.tls_cert is not None:
        # uvicorn's own choice, "TLSv1", leaves TLS 1.2 the suites of 1999: CBC with SHA-1.
        tls = {"ssl_certfile": str(options.tls_cert), "ssl_keyfile": str(options.tls_key or options.tls_cert)}
        tls["ssl_ciphers"] = _CIPHERS
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
        h11_max_incomplete_event_size=MOST_HEAD,
        **tls,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        message = f"The certificate {options.tls_cert} can't be used: {error}."
        raise ConfigurationError(message, hint="Set HELPERHUB_WEB__TLS_CERT and HELPERHUB_WEB__TLS_KEY.") from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        config.ssl.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    return Server(config, getattr(getattr(app, "state", None), "on_stop", None))


class _PatientProtocol(H11Protocol):
    """Closes a connection whose request head takes too long, or whose answer isn't read: uvicorn waits for ever."""

    patience_s: ClassVar[float]
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Told of the first byte that isn't taken: what waits below a limit could wait for ever. (With 0,
        # asyncio's sslproto says "pause" when nothing waits, and never "resume".)
        transport.set_write_buffer_limits(high=1, low=0)
        self._deadline = self.loop.call_later(self.patience_s, self._give_up)

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
            self._deadline = self.loop.call_later(self.patience_s + _KEEP_ALIVE_S, self._give_up)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _await_reader(self, unread: int) -> None:
        self._unread = self.loop.call_later(self.patience_s, self._look_at_reader, unread)

    def _look_at_reader(self, before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if before - unread < _LEAST_READ:
            # Not close(), which would wait until all has been read; and reset, or the kernel would wait instead.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
        else:
            self._await_reader(unread)

    def _give_up(self) -> None:
        self._deadline = None
        cycle: Any = self.cycle  # None before the first request
        if cycle is None or cycle.response_complete:
            self.transport.close()


def _patient_protocol(patience_s: float) -> type[asyncio.Protocol]:
    """Return the protocol with that patience: uvicorn makes one of it for each connection."""
    return type("PatientProtocol", (_PatientProtocol,), {"patience_s": patience_s})
