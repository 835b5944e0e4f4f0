"""Worker processes under one keeper: started, kept, replaced one at a time, stopped."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from helperhub.model.duration import format_duration
from helperhub.settings.model import WorkerSettings
from helperhub.supervise.child_events import AfterExit, ChildEvent, ChildExited, ChildReady, ChildRestarting
from helperhub.supervise.children import Children, ChildSpec
from helperhub.supervise.keeper import Keeper, resident_bytes

_LOOK = timedelta(milliseconds=250)
#: Time beyond the shutdown time-out for settling and leaving, before a worker process is killed.
_KILL_MARGIN = timedelta(seconds=10)
_IDLE_LOOK_S = 0.1
_RECYCLE_LOOK_S = 1.0
_PREFIX = "worker-"


@dataclass(slots=True)
class Fleet:
    """Worker processes under one keeper.

    Args:
        children: Where they are started; may hold other children too.
        keeper: Holds their leases.
        environ: Their whole environment.
        settings: When they are replaced, and how long they may take to stop.
    """

    children: Children
    keeper: Keeper
    environ: Mapping[str, str]
    settings: WorkerSettings
    _ready: dict[str, int] = field(default_factory=dict)
    _recycle_at: float = 0.0
    #: Numbers of worker processes that are yet to be started.
    _pending: deque[int] = field(default_factory=deque)

    def start(self, processes: int) -> None:
        """Start this many worker processes: as many as there are cores at once, each further one when one is ready.

        Starting is work for a core: more at once would only all be ready later.
        """
        self._pending.extend(range(1, processes + 1))
        for _ in range(min(processes, os.cpu_count() or 1)):
            self._start_next()

    def look(self) -> list[ChildEvent]:
        """Wait a moment, renew leases, hand out the work of the dead; return what happened to any child."""
        events = self.children.run_once(_LOOK)
        self.note(events)
        self.keeper.tick()
        self._recycle()
        return events

    def note(self, events: Sequence[ChildEvent]) -> None:
        """Take up and drop the leases of worker processes that came and went."""
        for event in events:
            if isinstance(event, ChildReady) and "worker_id" in event.message:
                self._ready[event.name] = event.pid
                board = Path(str(event.message["board"])) if event.message.get("board") else None
                worker = str(event.message["worker_id"])
                self.keeper.hold(worker, event.pid, board=board, kill=self.children.kill)
                self._start_next()
            elif isinstance(event, ChildExited):
                self._drop(event)
            elif isinstance(event, ChildRestarting):
                sys.stderr.write(f"helperhub: {event.name} starts again in {format_duration(event.delay)}\n")

    def stop(self) -> None:
        """Stop the worker processes: they take nothing new and finish what runs, or hand it back."""
        self._pending.clear()
        names = [name for name in self.children.pids if name.startswith(_PREFIX)]
        self.children.ask_to_stop(names, timeout=self._patience)
        while any(name in self.children.pids for name in names):
            events = self.children.run_once(_LOOK)
            self.note(events)
            self.keeper.tick()
        deadline = time.monotonic() + _KILL_MARGIN.total_seconds()
        while self.keeper.has_dead and time.monotonic() < deadline:
            self.keeper.tick()
            time.sleep(_IDLE_LOOK_S)

    def _start_next(self) -> None:
        if self._pending:
            argv = (sys.executable, "-m", "helperhub", "worker-process")
            name = f"{_PREFIX}{self._pending.popleft()}"
            self.children.start(ChildSpec(name, argv, self.environ, says_done=True))

    @property
    def _patience(self) -> timedelta:
        return self.settings.shutdown_timeout + _KILL_MARGIN

    def _drop(self, event: ChildExited) -> None:
        self._ready.pop(event.name, None)
        worker = self.keeper.worker_of(event.pid)
        if worker is not None:
            if self.keeper.started(worker):
                # It could work, and died of its work: making it wait longer each time would only hold up the rest.
                self.children.forgive(event.name)
            cause = event.signal_name or f"exit code {event.returncode}"
            # What was asked to stop and didn't in time was killed for that, not by its work.
            innocent = event.then in (AfterExit.STOPPED, AfterExit.REPLACE)
            self.keeper.drop(worker, cause=cause, innocent=innocent)
        _tell_exit(event)

    def _recycle(self) -> None:
        """Replace one worker process that is due for it, if all others are at work."""
        now = time.monotonic()
        running = [name for name in self.children.pids if name.startswith(_PREFIX)]
        if now < self._recycle_at or any(name not in self._ready for name in running):
            return
        self._recycle_at = now + _RECYCLE_LOOK_S
        for name in running:
            why = self._why_recycle(name, self._ready[name])
            if why:
                sys.stderr.write(f"helperhub: {name} is replaced: {why}\n")
                del self._ready[name]
                self.children.replace(name, timeout=self._patience)
                return

    def _why_recycle(self, name: str, pid: int) -> str:
        limits = self.settings
        worker = self.keeper.worker_of(pid)
        if limits.recycle_executions and worker and self.keeper.started(worker) >= limits.recycle_executions:
            return f"it started {self.keeper.started(worker)} executions"
        if limits.recycle_age and self.children.age(name) >= limits.recycle_age:
            return f"it is older than {format_duration(limits.recycle_age)}"
        if limits.recycle_memory and (held := resident_bytes(pid)) >= limits.recycle_memory:
            return f"it holds {held} bytes"
        return ""


def _tell_exit(event: ChildExited) -> None:
    if event.then is AfterExit.RESTART:
        how = event.signal_name or f"exit code {event.returncode}"
        sys.stderr.write(f"helperhub: {event.name} (pid {event.pid}) ended by {how}\n")
    elif event.then is AfterExit.BAD_CONFIGURATION:
        sys.stderr.write(f"helperhub: {event.name} can't start: its configuration is wrong, see above\n")


__all__ = ["Fleet"]
