"""The processes of one command: started, fed, read, and none left behind.

A command runs in a session of its own, so that one signal reaches its whole process group. Beside
it stands a guard, a small shell that kills the group if this process dies before it can.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Self, cast

from helperhub_crontab.output import BoundedOutput

#: Between SIGTERM and SIGKILL.
GRACE_SECONDS = 5.0
#: A group outlives its leader's pipe only when a grandchild holds it; this is how late we see that.
_TICK_SECONDS = 0.2
_CHUNK = 65_536
#: How long output may keep coming after the command's end before a background process is thought to hold the pipe.
_LAST_WORDS_SECONDS = 0.5
# Waits for a word: none comes when the one who started the command has died, kill -9 included.
_GUARD = 'read -r word; [ "$word" = done ] || { kill -TERM "-$1"; sleep "$2"; kill -KILL "-$1"; }'
# Takes over the output of background processes, which would die of SIGPIPE without a reader.
_DRAIN = "exec 3<&0; cat <&3 >/dev/null 2>&1 &"


@dataclass(frozen=True, slots=True)
class Start:
    """How a command is started.

    Args:
        arguments: Program and arguments.
        env: Its whole environment.
        cwd: Where it starts.
        stdin: What it reads; None means nothing.
        identity: Keywords ``user``, ``group`` and ``extra_groups`` of `subprocess.Popen`, or none.
    """

    arguments: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    stdin: bytes | None
    identity: Mapping[str, Any]


class CommandProcess:
    """A running command; leaving its ``with`` block in whatever way leaves no process of it behind.

    Only a command that ended by itself may leave background processes, as under cron.

    Args:
        start: How to start it.
        output: Takes what it prints, standard output and standard error in their order.
    """

    def __init__(self, start: Start, output: BoundedOutput) -> None:
        self._start = start
        self._output = output
        self._unsent = memoryview(start.stdin or b"")
        self._selector = selectors.DefaultSelector()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._started = threading.Event()
        self._abandoned = False
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        """Start the command and its guard.

        Raises:
            OSError: It can't be started.
        """
        try:
            # A time limit is raised in this thread, anywhere. Inside Popen it would lose the process that is just
            # being made, so another thread makes it, and this one only waits.
            threading.Thread(target=self._start_unless_abandoned, name="crontab-start").start()
            self._started.wait()
            if self._failure is not None:
                raise self._failure  # noqa: TRY301 - it ends below like an interruption, with nothing left behind
        except BaseException:
            with self._starting:  # held while the command is being started
                self._abandoned = True
            self._close(stop=True)
            raise
        return self

    def _start_unless_abandoned(self) -> None:
        with self._starting:
            try:
                if not self._abandoned:
                    self._launch()
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                self._failure = error
        self._started.set()

    def _launch(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - running the crontab's command is the purpose
            self._start.arguments,
            env=dict(self._start.env),
            cwd=self._start.cwd,
            stdin=subprocess.DEVNULL if self._start.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            **self._start.identity,
        )
        self._guard = _start_shell(_GUARD, str(self._process.pid), str(int(GRACE_SECONDS)), stdin=subprocess.PIPE)
        self._watch(self._process.stdout, selectors.EVENT_READ)
        self._watch(self._process.stdin, selectors.EVENT_WRITE)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop what still runs and free everything."""
        self._close(stop=kind is not None or self.exit_code is None)

    @property
    def exit_code(self) -> int | None:
        """The exit code, or minus the signal that killed it; None while it runs."""
        return self._process.poll() if self._process else None

    def pump(self) -> bool:
        """Read, write and wait a moment; return whether the command goes on."""
        self._transfer(_TICK_SECONDS)
        if self.exit_code is None:
            return True
        # What was printed last may still be in the pipe, or in the hands of a 'tee' that goes after it.
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while self._reading and time.monotonic() < deadline:
            self._transfer(_TICK_SECONDS)
        return False

    @property
    def _reading(self) -> bool:
        return bool(self._process and self._process.stdout and not self._process.stdout.closed)

    def _watch(self, stream: IO[bytes] | None, event: int) -> None:
        if stream is not None:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, event)

    def _unwatch(self, stream: IO[bytes]) -> None:
        self._selector.unregister(stream)
        stream.close()

    def _transfer(self, seconds: float) -> bool:
        """Move what can be moved, wait at most ``seconds`` for it, and return whether something was."""
        if self._process is None:
            return False
        if not self._selector.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return False
        events = self._selector.select(seconds)
        for key, _ in events:
            stream = cast("IO[bytes]", key.fileobj)
            if stream is self._process.stdin:
                self._write(stream)
            else:
                self._read(stream)
        return bool(events)

    def _read(self, stream: IO[bytes]) -> None:
        chunk = os.read(stream.fileno(), _CHUNK)
        if chunk:
            self._output.feed(chunk)
        else:
            self._unwatch(stream)

    def _write(self, stream: IO[bytes]) -> None:
        try:
            self._unsent = self._unsent[os.write(stream.fileno(), self._unsent[:_CHUNK]) :]
        except BrokenPipeError:  # it reads no further, which is its own affair
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._unwatch(stream)

    def _close(self, *, stop: bool) -> None:
        try:
            if stop:
                self._stop()
            elif self._reading:
                self._leave_reader()
        finally:
            if stop and self._process:
                _signal_group(self._process.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):  # a process in the kernel's hands dies later
                    self._process.wait(GRACE_SECONDS)
            self._selector.close()
            for stream in (self._process.stdin, self._process.stdout) if self._process else ():
                if stream is not None:
                    stream.close()
            if self._guard:
                with suppress(subprocess.TimeoutExpired):
                    self._guard.communicate(b"done\n", timeout=GRACE_SECONDS)

    def _stop(self) -> None:
        if self._process is None:
            return
        deadline = time.monotonic() + GRACE_SECONDS
        _signal_group(self._process.pid, signal.SIGTERM)
        try:
            self._await_group(self._process, deadline)
        except BaseException:
            # The hub's time limit strikes about when ours does; that must not cut the grace short.
            self._await_group(self._process, deadline)
            raise

    def _await_group(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        while time.monotonic() < deadline and (process.poll() is None or _signal_group(process.pid, 0)):
            self._transfer(_TICK_SECONDS / 4)
            if process.poll() is not None:
                time.sleep(_TICK_SECONDS / 20)
        # No more than a pipe holds (1 MiB at most, pipe(7)): somebody outside the group may go on writing.
        for _ in range(1_048_576 // _CHUNK):
            if not self._transfer(0):
                break

    def _leave_reader(self) -> None:
        if self._process and self._process.stdout:
            os.set_blocking(self._process.stdout.fileno(), True)
            _start_shell(_DRAIN, stdin=self._process.stdout).wait(GRACE_SECONDS)


def _start_shell(script: str, *arguments: str, stdin: int | IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - constant scripts; what varies is an argument
        ["/bin/sh", "-c", script, "helperhub-crontab", *arguments],
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group; return whether there was anybody to signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
