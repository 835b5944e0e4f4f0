"""``helperhub worker``: the keeper of worker processes; and the worker process itself."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dramatiq

from helperhub.cli.environment import child_environment, load, open_log, stop_signals
from helperhub.hub import Hub, find_url
from helperhub.model.duration import format_duration
from helperhub.supervise.children import (
    AfterExit,
    ChildEvent,
    ChildExited,
    ChildReady,
    Children,
    ChildRestarting,
    ChildSpec,
)
from helperhub.supervise.keeper import Keeper
from helperhub.supervise.lifeline import Lifeline

_LOOK = timedelta(milliseconds=250)
#: Time beyond the shutdown time-out for settling and leaving, before a worker process is killed.
_KILL_MARGIN = timedelta(seconds=10)
_IDLE_LOOK_S = 0.1


def run_worker(
    *,
    env_files: Sequence[Path] | None,
    processes: int | None = None,
    threads: int | None = None,
    queues: tuple[str, ...] = (),
    burst: bool = False,
    max_executions: int | None = None,
    max_idle: timedelta | None = None,
) -> int:
    """Keep worker processes running until a signal, or until all are done; return the exit code.

    Raises:
        HelperHubError: Settings are wrong, or no Redis is there.
    """
    loaded = load(env_files)
    open_log(loaded)
    changes = {
        "HELPERHUB_WORKER__THREADS": threads,
        "HELPERHUB_WORKER__QUEUES": ",".join(queues) or None,
        "HELPERHUB_WORKER__BURST": "true" if burst else None,
        "HELPERHUB_WORKER__MAX_EXECUTIONS": max_executions,
        "HELPERHUB_WORKER__MAX_IDLE": format_duration(max_idle) if max_idle else None,
    }
    environ = child_environment(loaded, env_files, url=find_url(loaded), changes=changes)
    hub = Hub(loaded, environ["HELPERHUB_REDIS_URL"])
    stopping = stop_signals()
    bad = False
    with Children() as children:
        fleet = Fleet(children, hub.build_keeper(), environ)
        fleet.start(processes or loaded.settings.worker.processes)
        while not stopping.is_set() and not children.is_idle:
            events = fleet.look()
            bad = bad or any(isinstance(e, ChildExited) and e.then is AfterExit.BAD_CONFIGURATION for e in events)
        fleet.stop(loaded.settings.worker.shutdown_timeout)
    return 78 if bad else 0


@dataclass(slots=True)
class Fleet:
    """Worker processes under one keeper.

    Args:
        children: Where they are started; may hold other children too.
        keeper: Holds their leases.
        environ: Their whole environment.
    """

    children: Children
    keeper: Keeper
    environ: Mapping[str, str]

    def start(self, processes: int) -> None:
        """Start this many worker processes."""
        for number in range(1, processes + 1):
            argv = (sys.executable, "-m", "helperhub", "worker-process")
            self.children.start(ChildSpec(f"worker-{number}", argv, self.environ))

    def look(self) -> list[ChildEvent]:
        """Wait a moment, renew leases, hand out the work of the dead; return what happened to any child."""
        events = self.children.run_once(_LOOK)
        self.note(events)
        self.keeper.tick()
        return events

    def note(self, events: Sequence[ChildEvent]) -> None:
        """Take up and drop the leases of worker processes that came and went."""
        for event in events:
            if isinstance(event, ChildReady) and "worker_id" in event.message:
                self.keeper.hold(str(event.message["worker_id"]), event.pid)
            elif isinstance(event, ChildExited):
                self.keeper.drop_process(event.pid)
                _tell_exit(event)
            elif isinstance(event, ChildRestarting):
                sys.stderr.write(f"helperhub: {event.name} starts again in {format_duration(event.delay)}\n")

    def stop(self, shutdown_timeout: timedelta) -> None:
        """Stop the worker processes: they take nothing new and finish what runs, or hand it back."""
        names = [name for name in self.children.pids if name.startswith("worker-")]
        self.children.ask_to_stop(names, timeout=shutdown_timeout + _KILL_MARGIN)
        while any(name in self.children.pids for name in names):
            self.look()
        deadline = time.monotonic() + _KILL_MARGIN.total_seconds()
        while self.keeper.has_dead and time.monotonic() < deadline:
            self.keeper.tick()
            time.sleep(_IDLE_LOOK_S)


def run_worker_process(*, env_files: Sequence[Path] | None) -> int:
    """Be one worker process until a signal, the supervisor's end, or the work's; return the exit code.

    Raises:
        HelperHubError: Settings are wrong, or two plugins have one helper name.
    """
    loaded = load(env_files)
    open_log(loaded)
    lifeline = Lifeline.from_environment(loaded.environ)
    stopping = stop_signals()
    hub = Hub(loaded, find_url(loaded))
    if lifeline is None:
        hub.keep_own_lease()
    else:
        lifeline.watch(stopping.set)
    hub.start_reports()
    hub.load_plugins()
    hub.register(only_new=True)
    settings = loaded.settings.worker
    queues = set(settings.queues) or None
    worker = dramatiq.Worker(hub.broker, queues=queues, worker_threads=settings.threads)
    hub.broker.emit_after("process_boot")
    worker.start()
    if lifeline is not None:
        lifeline.send({"event": "ready", "worker_id": hub.worker_id})
    _wait_for_end(hub, stopping)
    worker.stop(timeout=int(settings.shutdown_timeout.total_seconds() * 1000))
    hub.close()
    return 0


def _wait_for_end(hub: Hub, stopping: threading.Event) -> None:
    settings = hub.settings.worker
    if not (settings.burst or settings.max_executions or settings.max_idle):
        stopping.wait()
        return
    claimer = hub.broker.claimer
    busy_at, seen = time.monotonic(), 0
    while claimer is not None and not stopping.wait(_IDLE_LOOK_S):
        if claimer.in_hand or claimer.claimed_total != seen:
            busy_at, seen = time.monotonic(), claimer.claimed_total
        if settings.max_executions and claimer.claimed_total >= settings.max_executions:
            return
        idle_s = time.monotonic() - busy_at
        if settings.max_idle and idle_s >= settings.max_idle.total_seconds():
            return
        if settings.burst and idle_s > 2 * _IDLE_LOOK_S and not any(queue.ready for queue in hub.queues.all()):
            return


def _tell_exit(event: ChildExited) -> None:
    if event.then is AfterExit.RESTART:
        how = event.signal_name or f"exit code {event.returncode}"
        sys.stderr.write(f"helperhub: {event.name} (pid {event.pid}) ended by {how}\n")
    elif event.then is AfterExit.BAD_CONFIGURATION:
        sys.stderr.write(f"helperhub: {event.name} can't start: its configuration is wrong, see above\n")
