"""A mail server and a web server on loopback ports, which keep what they are sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest

from helperhub.testing import MailSink


@pytest.fixture
def mail_sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


@dataclass
class WebSink:
    """What arrived over HTTP."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        cast("_WebServer", self.server).sink.bodies.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
        """Say nothing."""


class _WebServer(ThreadingHTTPServer):
    daemon_threads = True
    sink: WebSink


@pytest.fixture
def web_sink() -> Iterator[WebSink]:
    with _WebServer(("127.0.0.1", 0), _Handler) as server:
        server.sink = WebSink(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.sink
        server.shutdown()
        thread.join(10)
