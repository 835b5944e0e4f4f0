"""Child processes: started, watched, restarted one by one, stopped in order.

Everything happens in the thread that calls `run_once`; there is no other. That thread must be the main
one, because it also launches the embedded server, whose life hangs on its launcher's thread.

What happens to a child that ends:

| ended                            | then                                              |
|----------------------------------|---------------------------------------------------|
| after it was asked to stop       | nothing                                           |
| after it was asked to make room  | it is started again at once                       |
| with status 0                    | nothing: it is done (burst mode), if it said so   |
| with status 78 (EX_CONFIG)       | nothing: the next start would fail in the same way |
| otherwise, also by a signal      | it is started again, after a delay that doubles   |
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

from helperhub.errors import ConfigurationError
from helperhub.supervise.child_events import (
    AfterExit,
    ChildEvent,
    ChildExited,
    ChildNotStarted,
    ChildReady,
    ChildReported,
    ChildRestarting,
    ChildStarted,
)
from helperhub.supervise.lifeline import ENVIRONMENT_NAME, ParentEnd, open_pair

#: A child whose own children hold its lifeline open is missed this late.
_REAP_EVERY_SECONDS = 0.5
#: A lifeline ends a moment before its process can be waited for.
_REAP_SOON_SECONDS = 0.005
_ENDING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long a dead child waits for its next start.

    Args:
        min_backoff: The first delay; each further one is twice as long.
        max_backoff: No delay is longer.
        reset_after: A child that ran for this long starts with the first delay again.
    """

    min_backoff: timedelta = timedelta(milliseconds=100)
    max_backoff: timedelta = timedelta(seconds=30)
    reset_after: timedelta = timedelta(seconds=60)

    def delay(self, failures: int) -> timedelta:
        """Return the delay after ``failures`` ends in a row, counted from 1."""
        doublings = min(failures - 1, 20)  # a million times the first delay, and no overflow
        return min(self.min_backoff * (1 << doublings), self.max_backoff)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A child to run.

    Args:
        name: Its name in events; no other child has it.
        argv: Program and arguments.
        env: Its whole environment; the lifeline is added.
        restart: When it is started again.
        says_done: Whether it says ``{"event": "done"}`` before it ends by itself; without that an end
            with status 0 is as unexpected as any other.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    restart: RestartPolicy = RestartPolicy()
    says_done: bool = False


@dataclass(slots=True)
class _Child:
    """One process of a spec, from its start until it is reaped. Times are monotonic seconds."""

    spec: ChildSpec
    process: subprocess.Popen[bytes]
    line: ParentEnd
    started: float
    failures: int
    stopping: bool = False
    replacing: bool = False
    is_done: bool = False
    kill_at: float | None = None
    line_ended: float | None = None


@dataclass(slots=True)
class _Waiting:
    spec: ChildSpec
    due: float
    failures: int


class Children:
    """The children of this process; used as a context manager, it leaves none behind."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._running: dict[str, _Child] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._events: list[ChildEvent] = []

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the children that run, by name."""
        return {name: child.process.pid for name, child in self._running.items()}

    @property
    def is_idle(self) -> bool:
        """Whether no child runs or waits for its next start."""
        return not self._running and not self._waiting

    def start(self, spec: ChildSpec) -> None:
        """Start a child, in a process group of its own.

        So Ctrl-C on the terminal reaches only this process, which then stops its children in order.

        Raises:
            ValueError: A child has that name already.
            ConfigurationError: Its program can't be started.
        """
        if spec.name in self._running or spec.name in self._waiting:
            message = f"a child named {spec.name!r} is there already"
            raise ValueError(message)
        try:
            self._launch(spec, failures=0)
        except OSError as error:
            message = f"'{spec.argv[0]}', the program of {spec.name}, can't be started: {error.strerror}."
            raise ConfigurationError(message) from error

    def run_once(self, timeout: timedelta = timedelta(0)) -> list[ChildEvent]:
        """Wait for something to happen, do what is due, and return what happened.

        Args:
            timeout: How long to wait; it returns earlier with the first event.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            now = time.monotonic()
            for key, _ in self._selector.select(self._pause(now, deadline)):
                self._hear(key.data)
            self._reap()
            self._kill_overdue()
            self._start_due()
            if self._events or time.monotonic() >= deadline:
                events, self._events = self._events, []
                return events

    def send_signal(self, signum: signal.Signals, names: Iterable[str] | None = None) -> None:
        """Send a signal to the children of these names, or to all that run."""
        for name in list(self._running) if names is None else names:
            if name in self._running:
                # Popen doesn't signal a process that it has reaped.
                self._running[name].process.send_signal(signum)

    def ask_to_stop(self, names: Iterable[str] | None = None, *, timeout: timedelta) -> None:
        """Send SIGTERM, and see to it that `run_once` sends SIGKILL after ``timeout``.

        Between the two the caller goes on with what it does for living children, such as renewing leases.
        Asking again changes the time that is left.

        Args:
            names: Which children; None means all.
            timeout: From now.
        """
        for name in [*self._running, *self._waiting] if names is None else list(names):
            self._waiting.pop(name, None)
            child = self._running.get(name)
            if child is None:
                continue
            if not child.stopping:
                child.process.terminate()
            else:
                child.replacing = False  # now it is to stop for good
            child.stopping = True
            child.kill_at = time.monotonic() + timeout.total_seconds()

    def replace(self, name: str, *, timeout: timedelta) -> None:
        """Ask a child to stop as `ask_to_stop` does, and start it again once it has ended."""
        child = self._running.get(name)
        if child is not None and not child.stopping:
            child.replacing = True
            self.ask_to_stop([name], timeout=timeout)

    def forgive(self, name: str) -> None:
        """Start a dead child again after the first delay, as if it had died for the first time."""
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.failures = 1
            waiting.due = min(waiting.due, time.monotonic() + waiting.spec.restart.delay(1).total_seconds())

    def age(self, name: str) -> timedelta:
        """Return how long ago a running child was started; 0 if it doesn't run."""
        child = self._running.get(name)
        return timedelta(seconds=time.monotonic() - child.started if child is not None else 0)

    def kill(self, pid: int) -> None:
        """Kill a running child, with whatever it started and left in its process group."""
        for child in self._running.values():
            if child.process.pid == pid:
                child.kill_at = 0.0
        self._kill_overdue()

    def stop(self, names: Iterable[str] | None = None, *, timeout: timedelta) -> list[ChildEvent]:
        """Stop these children, or all, and return what happened once they are gone.

        To stop in order, call it once for each group. The others are looked after meanwhile.

        Args:
            names: Which children; None means all.
            timeout: How long they may take before they are killed.
        """
        names = [*self._running, *self._waiting] if names is None else list(names)
        self.ask_to_stop(names, timeout=timeout)
        events: list[ChildEvent] = []
        while any(name in self._running for name in names):
            events += self.run_once(timedelta(seconds=_REAP_EVERY_SECONDS))
        return events + self.run_once()

    def __enter__(self) -> Self:
        """Return the children."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave none behind: those that still run have a second to stop."""
        self.stop(timeout=timedelta(seconds=1))
        self._selector.close()

    def _launch(self, spec: ChildSpec, *, failures: int) -> None:
        line, theirs = open_pair()
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603 (argv is the caller's, no shell)
                    spec.argv,
                    env={**spec.env, ENVIRONMENT_NAME: str(theirs.fileno())},
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    process_group=0,
                )
            except OSError:
                line.close()
                raise
        child = _Child(spec, process, line, started=time.monotonic(), failures=failures)
        self._running[spec.name] = child
        self._selector.register(line, selectors.EVENT_READ, child)
        self._events.append(ChildStarted(spec.name, process.pid))

    def _pause(self, now: float, deadline: float) -> float:
        """Return how many seconds may be slept."""
        if self._events:
            return 0
        reap = _REAP_EVERY_SECONDS
        if any(child.line_ended and now - child.line_ended < _ENDING_SECONDS for child in self._running.values()):
            reap = _REAP_SOON_SECONDS
        due = [deadline, now + reap, *(waiting.due for waiting in self._waiting.values())]
        due += [child.kill_at for child in self._running.values() if child.kill_at is not None]
        return max(0, min(due) - now)

    def _hear(self, child: _Child) -> None:
        for message in child.line.receive():
            child.is_done = child.is_done or message.get("event") == "done"
            said = ChildReady if message.get("event") == "ready" else ChildReported
            self._events.append(said(child.spec.name, child.process.pid, message))
        if child.line.has_ended:
            child.line_ended = time.monotonic()
            self._selector.unregister(child.line)

    def _reap(self) -> None:
        for name, child in list(self._running.items()):
            returncode = child.process.poll()
            if returncode is None:
                continue
            while not child.line.has_ended and self._has_more(child):
                self._hear(child)  # its last words
            self._forget(child)
            then = _after_exit(child, returncode)
            self._events.append(ChildExited(name, child.process.pid, returncode, then))
            if then is AfterExit.REPLACE:
                self._waiting[name] = _Waiting(child.spec, 0.0, 0)
            elif then is AfterExit.RESTART:
                ran = time.monotonic() - child.started
                failures = 0 if ran >= child.spec.restart.reset_after.total_seconds() else child.failures
                self._wait_to_restart(child.spec, failures + 1)

    def _has_more(self, child: _Child) -> bool:
        """Return whether a dead child said more; a process it left behind may keep its lifeline open."""
        return any(key.data is child for key, _ in self._selector.select(0))

    def _forget(self, child: _Child) -> None:
        with suppress(KeyError):  # its lifeline had ended before
            self._selector.unregister(child.line)
        child.line.close()
        del self._running[child.spec.name]

    def _wait_to_restart(self, spec: ChildSpec, failures: int) -> None:
        delay = spec.restart.delay(failures)
        self._waiting[spec.name] = _Waiting(spec, time.monotonic() + delay.total_seconds(), failures)
        self._events.append(ChildRestarting(spec.name, delay))

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for child in self._running.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.kill_at = None
                # With what it started, which would otherwise go on beside the work's next delivery. The group
                # is still the child's: nobody but `_reap` has waited for it.
                with suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
                    os.killpg(child.process.pid, signal.SIGKILL)

    def _start_due(self) -> None:
        now = time.monotonic()
        for name, waiting in list(self._waiting.items()):
            if waiting.due > now:
                continue
            del self._waiting[name]
            try:
                self._launch(waiting.spec, failures=waiting.failures)
            except OSError as error:  # out of processes or memory, or in the middle of an upgrade
                self._events.append(ChildNotStarted(name, str(error)))
                self._wait_to_restart(waiting.spec, waiting.failures + 1)


def _after_exit(child: _Child, returncode: int) -> AfterExit:
    if child.stopping:
        return AfterExit.REPLACE if child.replacing else AfterExit.STOPPED
    if returncode == 0 and (child.is_done or not child.spec.says_done):
        return AfterExit.DONE
    if returncode == ConfigurationError.exit_code:
        return AfterExit.BAD_CONFIGURATION
    return AfterExit.RESTART
