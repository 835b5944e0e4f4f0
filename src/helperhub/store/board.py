"""The board: what a worker process runs, written where its keeper can read it.

C code that holds the GIL stops every thread of a worker process, and a crash leaves no word; so each
start is noted beforehand, in memory shared through a file: which execution, under which claim, and
when the process is to be killed for it. Writing a note costs about a microsecond and no system call.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<8sIIQ")
_MAGIC = b"hhboard1"
#: serial, kill at (monotonic s, 0 never), claim, length of the id; the serial is odd while a note is written.
_NOTE = struct.Struct("<QdQI")
_KILL_AT = struct.Struct("<d")
_SERIAL = struct.Struct("<Q")
_SLOT = 512
_ID_BYTES = _SLOT - _NOTE.size


@dataclass(frozen=True, slots=True)
class Note:
    """One execution that a thread of a worker process has started.

    Args:
        id: The execution.
        claim: Number of the claim it is held under.
        kill_at: When its process is to be killed, monotonic seconds of this machine; 0.0 means never.
        thread: Number of the thread, from 1 in the order of their first start.
    """

    id: str
    claim: int
    kill_at: float
    thread: int


class Board:
    """The worker process's side; each thread has a slot of its own."""

    def __init__(self, threads: int) -> None:
        """Make a board for ``threads`` threads, as a private temporary file."""
        size = _HEADER.size + threads * _SLOT
        descriptor, name = tempfile.mkstemp(prefix="helperhub-board-")
        self.path = Path(name)
        try:
            os.ftruncate(descriptor, size)
            self._memory = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        _HEADER.pack_into(self._memory, 0, _MAGIC, threads, 0, 0)
        self._threads = threads
        self._lock = threading.Lock()
        self._slots: dict[int, int] = {}

    def enter(self, execution_id: str, claim: int) -> None:
        """Note that this thread starts an execution."""
        start = self._slot()
        if start < 0:
            return
        raw = execution_id.encode()[:_ID_BYTES]
        serial = _SERIAL.unpack_from(self._memory, start)[0]
        _SERIAL.pack_into(self._memory, start, serial | 1)
        self._memory[start + _NOTE.size : start + _NOTE.size + len(raw)] = raw
        _NOTE.pack_into(self._memory, start, (serial | 1) + 1, 0.0, claim, len(raw))

    def kill_at(self, at: float, *, thread: int | None = None) -> None:
        """Have this process killed at ``at``, monotonic seconds, unless the note is gone by then.

        Args:
            at: 0.0 means never.
            thread: Whose note it is; None means the calling thread's.
        """
        start = self._slots.get(threading.get_ident() if thread is None else thread, -1)
        if start >= 0:
            _KILL_AT.pack_into(self._memory, start + _SERIAL.size, at)

    def leave(self) -> None:
        """Note that this thread runs nothing any more."""
        start = self._slots.get(threading.get_ident(), -1)
        if start >= 0:
            serial = _SERIAL.unpack_from(self._memory, start)[0]
            _NOTE.pack_into(self._memory, start, (serial | 1) + 1, 0.0, 0, 0)

    def count(self, started: int) -> None:
        """Note how many executions were started since this process began."""
        _HEADER.pack_into(self._memory, 0, _MAGIC, self._threads, 0, started)

    def close(self) -> None:
        """Remove the file; the memory stays until both sides are gone."""
        self.path.unlink(missing_ok=True)

    def _slot(self) -> int:
        thread = threading.get_ident()
        start = self._slots.get(thread)
        if start is None:
            with self._lock:
                # A thread more than there are slots runs without a note.
                number = len(self._slots)
                start = _HEADER.size + number * _SLOT if number < self._threads else -1
                self._slots[thread] = start
        return start


class BoardReader:
    """The keeper's side."""

    def __init__(self, path: Path) -> None:
        """Open a board.

        Raises:
            OSError: It can't be opened.
            ValueError: It is no board.
        """
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._memory[: len(_MAGIC)] != _MAGIC:
            message = f"{path} is no board of a worker process"
            raise ValueError(message)
        self._path = path

    def remove(self) -> None:
        """Remove the file of a process that is gone; what was read stays readable."""
        self._path.unlink(missing_ok=True)

    @property
    def started(self) -> int:
        """Executions that the process started since it began."""
        return int(_HEADER.unpack_from(self._memory, 0)[3])

    def notes(self) -> list[Note]:
        """Return what runs; a note that is being written counts as it is."""
        return list(self._notes())

    def overdue(self) -> list[Note]:
        """Return the executions for which the process is to be killed now."""
        now = time.monotonic()
        return [note for note in self._notes() if 0.0 < note.kill_at <= now]

    def _notes(self) -> Iterator[Note]:
        threads = _HEADER.unpack_from(self._memory, 0)[1]
        for number in range(threads):
            start = _HEADER.size + number * _SLOT
            for _ in range(3):  # twice is enough, unless the writer died in the middle
                slot = self._memory[start : start + _SLOT]
                if not _SERIAL.unpack_from(slot)[0] & 1:
                    break
            _, kill_at, claim, length = _NOTE.unpack_from(slot)
            if 0 < length <= _ID_BYTES:
                raw = slot[_NOTE.size : _NOTE.size + length]
                yield Note(raw.decode(errors="replace"), claim, kill_at, number + 1)


__all__ = ["Board", "BoardReader", "Note"]
