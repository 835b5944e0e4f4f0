"""What was accepted while Redis was away: lines in files on this machine, each safe on disk before it is answered.

Every process has a file of its own, which it holds a lock on. A file whose lock is free was left behind by a process
that died, and is read by whoever finds it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from helperhub.errors import StoreRefused

_SUFFIX = ".jsonl"
_CHUNK = 1 << 20


class SpoolFile:
    """One file of lines, in order; several threads may append while one reads."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Use an open file that this process holds the lock of; see `create` and `adopt`."""
        self.path = path
        self._file = descriptor
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._size = os.fstat(descriptor).st_size
        self._synced = self._size
        self._read = 0

    @classmethod
    def create(cls, directory: Path, name: str) -> SpoolFile:
        """Return a new file in ``directory``.

        Raises:
            OSError: It can't be made.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = directory / f"{name}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if not _lock(descriptor):  # somebody has just taken it for one that was left behind
                os.close(descriptor)
                continue
            # The name, too, has to be safe before anything in the file is.
            _sync_directory(directory)
            return cls(path, descriptor)

    @classmethod
    def adopt(cls, directory: Path, name: str) -> Iterator[SpoolFile]:
        """Yield each file that a process which is no more left in ``directory``."""
        for path in sorted(directory.glob(f"{name}-*{_SUFFIX}")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            if _lock(descriptor) and path.exists():
                yield cls(path, descriptor)
            else:
                os.close(descriptor)

    @property
    def is_empty(self) -> bool:
        """Whether everything that was appended has been read."""
        with self._lock:
            return self._read >= self._size

    def append(self, line: bytes) -> None:
        """Write ``line``, which has no line break; when this returns it is on disk.

        Raises:
            StoreRefused: The disk is full or broken; nothing of the line stays.
        """
        text = line + b"\n"
        try:
            with self._lock:
                self._write(text)
                end = self._size
            # Whoever waits here finds his line synced by the one before: many share one turn of the disk.
            with self._sync_lock:
                if self._synced < end:
                    with self._lock:
                        target = self._size
                    os.fsync(self._file)
                    self._synced = target
        except OSError as error:
            message = f"Redis is away, and the spool can't be written: {error.strerror}."
            raise StoreRefused(message, hint=f"Free space in {self.path.parent}, and send it again.") from error

    def lines(self) -> Iterator[bytes]:
        """Yield the lines that haven't been done, in order; each counts as done when the next one is asked for."""
        while True:
            with self._lock:
                if self._read >= self._size:
                    self._empty()
                    return
                chunk = os.pread(self._file, min(_CHUNK, self._size - self._read), self._read)
                while b"\n" not in chunk and self._read + len(chunk) < self._size:
                    chunk += os.pread(self._file, _CHUNK, self._read + len(chunk))
            whole, found, _ = chunk.rpartition(b"\n")
            if not found:
                # The end of a line that was cut off with its process: nobody was told that it is safe.
                with self._lock:
                    self._read = self._size
                continue
            for line in whole.split(b"\n"):
                yield line
                with self._lock:
                    self._read += len(line) + 1

    def close(self, *, remove: bool) -> None:
        """Give the file up; ``remove`` deletes it."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._file)

    def _write(self, text: bytes) -> None:
        start = self._size
        try:
            rest = text
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, start)
            raise
        self._size = start + len(text)

    def _empty(self) -> None:
        if self._size:
            os.ftruncate(self._file, 0)
            self._size = self._read = self._synced = 0


def note_refused(directory: Path, line: bytes) -> None:
    """Keep a line that can't be enqueued, for people.

    Raises:
        OSError: It can't be written.
    """
    descriptor = os.open(directory / "refused", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _lock(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["SpoolFile", "note_refused"]
