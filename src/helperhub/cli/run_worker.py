"""``helperhub worker``: the keeper of worker processes; and the worker process itself."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import dramatiq

from helperhub.cli.environment import child_environment, load, open_log, stop_signals
from helperhub.cli.fleet import Fleet
from helperhub.errors import StoreUnavailable
from helperhub.hub import Hub, find_url
from helperhub.model.duration import format_duration
from helperhub.supervise.child_events import AfterExit, ChildExited
from helperhub.supervise.children import Children
from helperhub.supervise.lifeline import Lifeline

#: How often a worker thread that has nothing to do looks around; it is woken for work and for the end.
_THREADS_LOOK_MS = 10_000
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
    hub.require_trust()
    with contextlib.suppress(StoreUnavailable):  # the worker processes start once it is there, and check it too
        hub.check_server()
    stopping = stop_signals()
    bad = False
    with Children() as children:
        fleet = Fleet(children, hub.build_keeper(), environ, loaded.settings.worker)
        fleet.start(processes or loaded.settings.worker.processes)
        while not stopping.is_set() and not children.is_idle:
            events = fleet.look()
            bad = bad or any(isinstance(e, ChildExited) and e.then is AfterExit.BAD_CONFIGURATION for e in events)
        fleet.stop()
    return 78 if bad else 0


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
    hub.require_trust()
    if lifeline is not None:
        lifeline.watch(stopping.set)
        hub.broker.on_worker = functools.partial(_tell_keeper, lifeline)
    hub.check_server(warn=lifeline is None)
    hub.start_reports()
    hub.load_plugins()
    hub.register_if_room(only_new=True)
    settings = loaded.settings.worker
    queues = set(settings.queues) or None
    worker = dramatiq.Worker(
        hub.broker, queues=queues, worker_threads=settings.threads, worker_timeout=_THREADS_LOOK_MS
    )
    hub.broker.emit_after("process_boot")
    gc.freeze()  # what has been loaded is needed to the end: nobody has to look through it for garbage
    worker.start()
    _wait_for_end(hub, stopping)
    worker.stop(timeout=int(settings.shutdown_timeout.total_seconds() * 1000))
    hub.close()
    if lifeline is not None:
        lifeline.send({"event": "done"})
    return 0


def _tell_keeper(lifeline: Lifeline, worker: str, board: Path) -> None:
    lifeline.send({"event": "ready", "worker_id": worker, "board": str(board)})


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
        if settings.burst and idle_s > 2 * _IDLE_LOOK_S and not _has_ready(hub):
            return


def _has_ready(hub: Hub) -> bool:
    served = hub.settings.worker.queues
    return any(queue.ready for queue in hub.queues.all() if not served or queue.name in served)
