"""Ports where nobody answers, and TLS servers with certificates made here."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose backlog takes connections that nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def make_tls_context(ca: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Return a maker of server contexts, with a certificate for these hosts and that many days."""

    def make(*hosts: str, days: float = 90.5, issuer: trustme.CA | None = None) -> ssl.SSLContext:
        now = datetime.now(UTC)
        # An end in the past needs a start before it.
        start = now - timedelta(days=400)
        certificate = (issuer or ca).issue_cert(
            *(hosts or ("localhost",)), not_before=start, not_after=now + timedelta(days=days)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    return make


@contextmanager
def _serve(context: ssl.SSLContext) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopping = threading.Event()

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if stopping.is_set():
                        return
                    # A client that doesn't like the certificate ends the handshake.
                    with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                        tls.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        port: int = server.getsockname()[1]
        try:
            yield port
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


@pytest.fixture
def serve_tls() -> Iterator[Callable[[ssl.SSLContext], int]]:
    """Return a starter of TLS servers that answers their port."""
    with ExitStack() as stack:
        yield lambda context: stack.enter_context(_serve(context))
