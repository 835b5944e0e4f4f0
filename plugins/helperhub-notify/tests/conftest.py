"""A mail server and a web server on loopback ports, which keep what they are sent."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest


class _Session(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as it takes to hand a mail over."""

    timeout = 10

    def handle(self) -> None:
        sink = cast("_Server", self.server).sink
        self._say(220, "sink")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                self._say(354, "go on")
                sink.mails.append(self._read_mail())
                self._say(250, "taken")
            elif verb == b"QUIT":
                self._say(221, "bye")
                return
            elif verb == b"RCPT" and sink.refusing:
                self._say(550, "no such person")
            else:
                self._say(250, "ok")

    def _say(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())

    def _read_mail(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return message_from_bytes(b"".join(lines), policy=policy.default)


@dataclass
class MailSink:
    """What arrived by mail."""

    port: int = 0
    refusing: bool = False
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        # The user is there to see that he isn't named; a server without AUTH isn't sent a password.
        return f"mailto://127.0.0.1:{self.port}?to=ops@example.org&from=hub@example.org"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    sink: MailSink


@pytest.fixture
def mail_sink() -> Iterator[MailSink]:
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.sink = MailSink(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.sink
        server.shutdown()
        thread.join(10)


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
