"""The embedded server's directory: who may use it, which engine wrote it, where its server answers.

server.lock     held (flock) by the launcher and, through the inherited descriptor, by its server;
                names both pids, so that a refusal can say who is in the way
engine.json     engine and version that last wrote the data
server.json     pid, socket and start of the running server; there only while it answers
server.sock     its socket, unless the path is too long for one
server.log      its log
appendonlydir/  the data
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from helperhub.errors import ServerStartError, UsageError
from helperhub.model.instant import parse_instant, to_rfc3339

#: Size of sun_path with its final NUL: unix(7); sys/un.h on macOS.
_SOCKET_PATH_LIMIT = 104 if sys.platform == "darwin" else 108
#: `DataDirectory.is_locked` takes the lock for a moment, so a start asks again for this long.
_LOCK_PATIENCE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Engine:
    """What writes a data directory: ``valkey`` or ``redis``, and its version such as ``9.1.2``."""

    name: str
    version: str

    @property
    def major(self) -> int:
        """The first number of the version; data isn't read by a lower one."""
        return int(self.version.partition(".")[0])

    def __str__(self) -> str:
        """Return name and version for messages."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """What `server.json` says of the server that answers."""

    pid: int
    socket: Path
    started_at: datetime


class DataDirectory:
    """A directory that one embedded server at a time may use.

    Args:
        path: The directory; it is made by `lock`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()
        self.log = self.path / "server.log"
        self._lock_path = self.path / "server.lock"
        self._engine_path = self.path / "engine.json"
        self._server_path = self.path / "server.json"
        self._lock_fd: int | None = None

    @property
    def lock_fd(self) -> int:
        """Descriptor that holds the lock; a process that inherits it holds it too.

        Raises:
            RuntimeError: The directory isn't locked.
        """
        if self._lock_fd is None:
            message = "the data directory is not locked"
            raise RuntimeError(message)
        return self._lock_fd

    def lock(self) -> None:
        """Make the directory, for this user alone, and take its lock.

        The mode of a directory that is already there stays as its owner set it; what is written in it
        is this user's alone.

        Raises:
            ServerStartError: Another process holds the lock, or the directory can't be used.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock_fd = open_private(str(self._lock_path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        except OSError as error:
            message = f"The data directory {self.path} can't be used: {error.strerror}."
            raise ServerStartError(message, hint="Set HELPERHUB_DATA_DIR to a directory of your own.") from error
        if not _flock_soon(lock_fd):
            os.close(lock_fd)
            message = f"The data directory {self.path} is in use by {self._describe_holder()}."
            raise ServerStartError(message, hint="Stop it first, or set HELPERHUB_DATA_DIR to another directory.")
        self._lock_fd = lock_fd
        self.note_holders(os.getpid())

    def unlock(self) -> None:
        """Give the lock back; it stays taken while a server that inherited it lives."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def is_locked(self) -> bool:
        """Return whether any process holds the lock."""
        try:
            lock_fd = os.open(self._lock_path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock_fd)
        return False

    def note_holders(self, *pids: int) -> None:
        """Write into the lock file which processes hold it."""
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, " ".join(str(pid) for pid in pids).encode(), 0)

    def record_engine(self, engine: Engine) -> None:
        """Note that ``engine`` is about to write here, unless it can't read what is here.

        Raises:
            ServerStartError: Another engine, or a newer major version, wrote the data.
        """
        recorded = _read_json(self._engine_path)
        if recorded is not None:
            self._check_engine(recorded, engine)
        _write_json(self._engine_path, {"engine": engine.name, "version": engine.version})

    def publish(self, server: RunningServer) -> None:
        """Let other processes find ``server``."""
        document = {"pid": server.pid, "socket": str(server.socket), "started_at": to_rfc3339(server.started_at)}
        _write_json(self._server_path, document)

    def unpublish(self) -> None:
        """Take back what `publish` wrote; also what a killed launcher left."""
        self._server_path.unlink(missing_ok=True)

    def published(self) -> RunningServer | None:
        """Return what `publish` wrote, or None; whether it still answers is for the caller to ask."""
        document = _read_json(self._server_path)
        if document is None:
            return None
        try:
            started_at = parse_instant(str(document["started_at"]))
            return RunningServer(pid=int(document["pid"]), socket=Path(document["socket"]), started_at=started_at)
        except (KeyError, TypeError, ValueError, UsageError):
            return None

    def prepare_socket(self) -> Path:
        """Return where the server's socket goes: in here, or in a private directory if that is too long.

        Raises:
            ServerStartError: The private directory belongs to somebody else.
        """
        inside = self.path / "server.sock"
        if _fits_socket(inside):
            return inside
        name = f"helperhub-{os.getuid()}-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]}"
        # Of the platform, not a setting of ours, and unset in many services.
        runtime_dir = os.environ.get("XDG_RUNTIME_DIR")  # noqa: TID251
        # /tmp last: the temporary directory itself may be too long.
        for parent in filter(None, (runtime_dir, tempfile.gettempdir(), "/tmp")):  # noqa: S108 (checked to be ours)
            outside = Path(parent) / name / "server.sock"
            if Path(parent).is_dir() and os.access(parent, os.W_OK) and _fits_socket(outside):
                _make_private(outside.parent)
                return outside
        message = f"No directory is short enough for the socket of the data directory {self.path}."
        raise ServerStartError(message, hint="Set HELPERHUB_DATA_DIR to a shorter path.")

    def remove_socket(self, socket: Path) -> None:
        """Remove ``socket``, which a killed server leaves, and the private directory it may be in."""
        socket.unlink(missing_ok=True)
        if socket.parent != self.path:
            socket.parent.rmdir()

    def _check_engine(self, recorded: Mapping[str, Any], engine: Engine) -> None:
        written_by = Engine(str(recorded.get("engine")), str(recorded.get("version")))
        if not re.match(r"\d+(\.|$)", written_by.version):
            message = f"{self._engine_path} names no version."
            raise ServerStartError(message, hint="Write the version that last ran here, or use another directory.")
        if written_by.name == engine.name and written_by.major <= engine.major:
            return
        message = f"The data in {self.path} was written by {written_by}; {engine} may not read it."
        hint = f"Install {written_by.name} {written_by.major} or newer, or set HELPERHUB_DATA_DIR to another directory."
        raise ServerStartError(message, hint=hint)

    def _describe_holder(self) -> str:
        """Return the pid that holds the lock: the launcher, or the server it left behind."""
        try:
            pids = [int(word) for word in self._lock_path.read_text().split()]
        except (OSError, ValueError):
            pids = []
        living = [pid for pid in pids if _is_alive(pid)]
        return f"process {living[0]}" if living else "another process"


def open_private(path: str, flags: int) -> int:
    """Open a file, made for this user alone; an ``opener`` of the built-in `open`."""
    return os.open(path, flags, 0o600)


def _flock_soon(lock_fd: int) -> bool:
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def _fits_socket(path: Path) -> bool:
    return len(os.fsencode(path)) < _SOCKET_PATH_LIMIT


def _make_private(directory: Path) -> None:
    """Make ``directory`` for this user alone; in a shared parent somebody may have been there first."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            message = f"{directory}, which is to hold the server's socket, isn't a private directory of this user."
            raise ServerStartError(message, hint="Remove it, or set HELPERHUB_DATA_DIR to a shorter path.") from None


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    """Write ``document`` so that a reader sees the old one or the new one, whole."""
    beside = path.with_suffix(".tmp")
    with open(beside, "w", opener=open_private) as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
