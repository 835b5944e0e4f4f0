"""A lifeline: one socket pair a child, by which each side knows at once that the other one died.

The kernel closes a dead process's end, however it died, and the other side reads end of file; so this
needs no heartbeat and works alike on Linux and macOS. The child also reports over it, one JSON
object a line, first of all ``{"event": "ready", ...}``.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

#: Number of the descriptor that is the child's end.
ENVIRONMENT_NAME = "HELPERHUB_LIFELINE"
LINE_LIMIT = 65_536
_SEND_TIMEOUT_SECONDS = 5
_READ_SIZE = 65_536

log = logging.getLogger(__name__)


class Lifeline:
    """The child's end.

    Args:
        end: One socket of a pair; the lifeline owns it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._end.settimeout(_SEND_TIMEOUT_SECONDS)
        self._write_lock = threading.Lock()
        self._is_broken = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self | None:
        """Return the lifeline that a supervisor gave this process, or None without one.

        A process that this one starts inherits the variable but not the descriptor, and so gets None.
        """
        text = environ.get(ENVIRONMENT_NAME, "")
        if not text.isdecimal():
            return None
        descriptor = int(text)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return None
            os.set_inheritable(descriptor, False)  # noqa: FBT003 (the standard library's signature)
            end = socket.socket(fileno=descriptor)
        except (OSError, OverflowError):
            return None
        if end.family != socket.AF_UNIX:
            end.detach()  # somebody else's: leave it open
            return None
        return cls(end)

    def watch(self, on_parent_gone: Callable[[], None]) -> None:
        """Call ``on_parent_gone`` once, from a daemon thread, as soon as the parent has ended."""
        threading.Thread(target=self._wait_for_end, args=(on_parent_gone,), name="lifeline", daemon=True).start()

    def send(self, message: Mapping[str, Any]) -> bool:
        """Report ``message`` to the parent; any thread may.

        Args:
            message: A JSON object of at most 64 KiB.

        Returns:
            False if the parent is gone, or hasn't read for 5 s; after that nothing is sent any more,
            because it might begin in the middle of a line.

        Raises:
            ValueError: ``message`` is too long.
        """
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if len(line) > LINE_LIMIT:
            description = f"a lifeline message has {len(line)} bytes; the limit is {LINE_LIMIT}"
            raise ValueError(description)
        with self._write_lock:
            if self._is_broken:
                return False
            try:
                self._end.sendall(line)
            except OSError:
                self._is_broken = True
        return not self._is_broken

    def close(self) -> None:
        """Give the lifeline up: to the parent it is as if this process had ended. Not after `watch`."""
        self._end.close()

    def _wait_for_end(self, on_parent_gone: Callable[[], None]) -> None:
        while True:
            try:
                if not self._end.recv(_READ_SIZE):
                    break  # nothing else is said in this direction yet
            except TimeoutError:
                continue
            except OSError:
                break  # a reset says the same as an end
        on_parent_gone()


class ParentEnd:
    """The supervisor's end; it never blocks.

    Args:
        end: One socket of a pair; this object owns it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._end.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        self._unread = bytearray()
        self._skips_line = False
        self.has_ended = False

    def fileno(self) -> int:
        """Return the descriptor, for `selectors`."""
        return self._end.fileno()

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that have come; `has_ended` then says whether more can come."""
        while not self.has_ended:
            try:
                chunk = self._end.recv(_READ_SIZE)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            self.has_ended = not chunk
            self._unread += chunk
            if len(self._unread) > LINE_LIMIT:
                break  # the rest at the next call, so that one talkative child can't hold the others up
        *lines, rest = self._unread.split(b"\n")
        self._unread = rest
        messages = [message for line in lines if (message := self._parse(line)) is not None]
        if len(self._unread) > LINE_LIMIT:
            self._unread.clear()
            self._skips_line = True
        return messages

    def close(self) -> None:
        """Let go of the child: to the child it is as if this process had died."""
        self._end.close()

    def _parse(self, line: bytearray) -> dict[str, Any] | None:
        message = None
        if not self._skips_line:
            try:
                message = json.loads(line)
            except ValueError:
                message = None
        self._skips_line = False
        if isinstance(message, dict):
            return message
        log.warning("lifeline_line_dropped", extra={"line_length": len(line)})
        return None


def open_pair() -> tuple[ParentEnd, socket.socket]:
    """Return both ends; the second is for the child, and to be closed here once the child has it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return ParentEnd(ours), theirs
