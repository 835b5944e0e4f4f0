"""A mail server for tests: takes every mail, and sends none on."""

from __future__ import annotations

import socketserver
import threading
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from types import TracebackType
from typing import Self


class MailSink:
    """A server on a free loopback port that speaks as much SMTP (RFC 5321) as sending a mail needs.

    >>> with MailSink() as sink:                                                 # doctest: +SKIP
    ...     tell_somebody(host=sink.host, port=sink.port)
    ...     assert sink.mails[0]["Subject"] == "hello"

    Args:
        refuse: Answer each mail with 550, as a server does that won't have it.
    """

    host = "127.0.0.1"

    def __init__(self, *, refuse: bool = False) -> None:
        #: What came, in order.
        self.mails: list[EmailMessage] = []
        self._refuse = refuse
        self._server = socketserver.ThreadingTCPServer((self.host, 0), self._build_talk(), bind_and_activate=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="helperhub-test-mail")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _build_talk(self) -> type[socketserver.StreamRequestHandler]:
        sink = self

        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 sink")
                for line in self.rfile:
                    word = line.split(b" ")[0].strip().upper()
                    if word == b"QUIT":
                        self._say("221 bye")
                        return
                    self._say(self._take_mail() if word == b"DATA" else "250 ok")

            def _take_mail(self) -> str:
                self._say("354 go on")
                lines = []
                for line in self.rfile:
                    if line == b".\r\n":
                        break
                    # A line that begins with a dot was sent with one more (RFC 5321, 4.5.2).
                    lines.append(line[1:] if line.startswith(b".") else line)
                if sink._refuse:
                    return "550 not here"
                sink.mails.append(BytesParser(EmailMessage, policy=SMTP).parsebytes(b"".join(lines)))
                return "250 taken"

            def _say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        return Talk


__all__ = ["MailSink"]
