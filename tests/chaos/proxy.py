"""A TCP proxy before the server that breaks what passes through it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # linger for 0 s: closing sends RST (socket(7), SO_LINGER)


class Proxy:
    """Passes bytes between a TCP port and the server's socket, as long as `mode` lets it.

    ``pass``: everything; ``drop``: nothing in either direction, as behind a firewall that has lost
    its state; ``half-open``: requests arrive, replies don't; ``delay``: each reply comes `delay_s`
    late; ``reset``: every `reset_every`th reply is replaced by a reset.
    """

    def __init__(self, upstream: Path) -> None:
        self._upstream = str(upstream)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.mode = "pass"
        self.delay_s = 0.0
        self.reset_every = 50
        self.resets = 0
        self._replies = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closing = False

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def heal(self) -> None:
        """Let everything pass; what was cut off for long is closed, as the network's end would."""
        was, self.mode = self.mode, "pass"
        if was in ("drop", "half-open"):
            self._close_all()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_all()

    def _close_all(self) -> None:
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(self._upstream)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, target, replies in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._pump, args=(source, target), kwargs={"replies": replies}, daemon=True
                ).start()

    def _pump(self, source: socket.socket, target: socket.socket, *, replies: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                mode = self.mode
                if mode == "drop" or (mode == "half-open" and replies):
                    continue
                if replies and not self._let_reply_pass(mode, target):
                    break
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source, target}
        if replies:
            source.close()
            target.close()

    def _let_reply_pass(self, mode: str, target: socket.socket) -> bool:
        if mode == "delay":
            time.sleep(self.delay_s)
        if mode != "reset":
            return True
        with self._lock:
            self._replies += 1
            if self._replies % self.reset_every:
                return True
            self.resets += 1
        target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        target.close()
        return False
