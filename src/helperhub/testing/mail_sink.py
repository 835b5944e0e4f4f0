"""A mail server on a loopback port that keeps what it is sent, for tests of what tells people."""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import ClassVar, Self, cast

_STOP_S = 10


@dataclass
class MailSink:
    """Takes mails for the length of a ``with`` block.

    Args:
        host: The machine's own.
        port: Where it listens, once it does.
        refusing: Whether it knows none of those that mails are for.
        mails: What it was sent, in order.
    """

    host: ClassVar[str] = "127.0.0.1"
    port: int = 0
    refusing: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    _server: _Server | None = field(default=None, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it is, as apprise writes it."""
        return f"mailto://127.0.0.1:{self.port}?to=ops@example.org&from=hub@example.org"

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._server = _Server((self.host, 0), _Session)
        self._server.sink = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(_STOP_S)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    sink: MailSink


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


__all__ = ["MailSink"]
