"""Targets of callbacks, as raw as sockets are: they keep what they were sent, and answer as a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Request:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Target:
    """Answers each connection with the next of ``answers``, the last one for ever."""

    answers: list[bytes | Callable[[socket.socket, threading.Event], None]]
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/done?token=secret"

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.requests.append(read_request(connection))
            answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
            if isinstance(answer, bytes):
                connection.sendall(answer)
            else:
                answer(connection, self.closing)


def read_request(connection: socket.socket) -> Request:
    with connection.makefile("rb") as lines:
        line = lines.readline().decode().strip()
        headers: dict[str, str] = {}
        while text := lines.readline().decode().strip():
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        return Request(line, headers, lines.read(int(headers.get("content-length", 0))))


@contextmanager
def target(
    *answers: bytes | Callable[[socket.socket, threading.Event], None], tls: ssl.SSLContext | None = None
) -> Iterator[Target]:
    """Yield a target at a free loopback port."""
    found = Target(list(answers) or [NO_CONTENT])
    listening = socket.create_server(("127.0.0.1", 0))
    found.port = listening.getsockname()[1]
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not found.closing.is_set():
            try:
                connection, _ = listening.accept()
                connection.settimeout(10)
                if found.closing.is_set():
                    connection.close()
                    return
                connection = tls.wrap_socket(connection, server_side=True) if tls else connection
            except OSError:
                continue
            threads.append(threading.Thread(target=found.serve, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield found
    finally:
        found.closing.set()
        socket.create_connection(("127.0.0.1", found.port)).close()
        accepting.join(10)
        listening.close()
        for thread in threads:
            thread.join(10)


def hang(connection: socket.socket, closing: threading.Event) -> None:
    """Say nothing."""
    del connection
    closing.wait(20)


def drip_head(connection: socket.socket, closing: threading.Event) -> None:
    """Say the head a byte at a time, each soon enough for a timeout of one wait."""
    for byte in b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 1000:
        connection.sendall(bytes([byte]))
        if closing.wait(0.05):
            return


def drip_body(connection: socket.socket, closing: threading.Event) -> None:
    """Say the head at once, and the body a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not closing.wait(0.05):
        connection.sendall(b"x")


def go_on_for_ever(connection: socket.socket, closing: threading.Event) -> None:
    """Send a body without an end as fast as it is taken."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    while not closing.is_set():
        connection.sendall(b"x" * 65536)


def continue_for_ever(connection: socket.socket, closing: threading.Event) -> None:
    """Never come to an answer."""
    while not closing.wait(0.01):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
