"""Real processes: a worker process that is killed loses nothing; schedulers share one plan."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import dramatiq

from helperhub.hub import Hub
from helperhub.model.execution import Execution, Status
from helperhub.model.instant import to_stamp
from helperhub.services.executions import ExecutionFilter

from .conftest import Start, wait_for

PLUGIN = """
import os, time
from datetime import timedelta
from helperhub import Every, helper, hookimpl

@helper
def hold(ctx):
    with open(ctx.payload, "a") as log:
        print(os.getpid(), ctx.delivery, file=log)
    time.sleep(2 if ctx.delivery == 1 else 0)
    return ctx.delivery

@helper(schedule=Every(timedelta(seconds=1)), overlap="allow")
def tick(ctx):
    return 1

@hookimpl
def helperhub_register(hub):
    hub.add(hold)
    hub.add(tick)
"""


def held(log: Path) -> list[int]:
    """Process ids that have run it so far, one a delivery."""
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def start_execution(hub: Hub, log: Path) -> str:
    wait_for(lambda: "hold" in hub.catalogue.read().rows and bool(hub.workers.all()))
    execution_id = hub.enqueue("hold", str(log))
    wait_for(lambda: len(held(log)) == 1)
    return execution_id


def test_dramatiqs_own_command_runs_a_worker_and_a_killed_process_loses_nothing(
    hub: Hub, start: Start, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    # A worker that dies before Dramatiq's command has heard from it is waited for until this time-out, 30 s by default.
    first = start("dramatiq", "helperhub.actors", "-p", "1", "-t", "2", "--worker-fork-timeout", "2000")
    execution_id = start_execution(hub, log)

    os.kill(held(log)[0], signal.SIGKILL)
    # The keeper that the worker process started hands its work out; Dramatiq's command ends with its worker.
    wait_for(lambda: hub.executions.get(execution_id).status is Status.QUEUED, seconds=5)
    first.wait(20)
    start("dramatiq", "helperhub.actors", "-p", "1", "-t", "2")
    wait_for(lambda: hub.executions.get(execution_id).status.final)

    execution = hub.executions.get(execution_id)
    assert (execution.status, execution.attempt, execution.delivery) == (Status.SUCCESS, 1, 2)
    assert len(held(log)) == 2


def test_supervised_worker_process_that_is_killed_is_replaced_and_its_work_goes_on(
    hub: Hub, start: Start, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    start("helperhub", "worker", "--processes", "2", "--threads", "2")
    execution_id = start_execution(hub, log)

    os.kill(held(log)[0], signal.SIGKILL)
    wait_for(lambda: hub.executions.get(execution_id).status.final)
    wait_for(lambda: len(hub.workers.all()) == 2)

    execution = hub.executions.get(execution_id)
    assert (execution.status, execution.attempt, execution.delivery) == (Status.SUCCESS, 1, 2)


def test_terminated_worker_finishes_what_runs(hub: Hub, start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = start("helperhub", "worker", "--processes", "1", "--threads", "1")
    execution_id = start_execution(hub, log)

    worker.terminate()
    assert worker.wait(20) == 0

    execution = hub.executions.get(execution_id)
    assert (execution.status, execution.delivery) == (Status.SUCCESS, 1)
    assert hub.workers.all() == []


def test_burst_worker_ends_when_the_queues_are_empty(hub: Hub, start: Start) -> None:
    ids = hub.broker.enqueue_many([dramatiq.Message("default", "tick", (), {}, {}) for _ in range(20)])

    worker = start("helperhub", "worker", "--processes", "1", "--burst")

    assert worker.wait(25) == 0
    assert {hub.executions.get(message.message_id).status for message in ids} == {Status.SUCCESS}


def test_two_schedulers_one_killed_leave_no_planned_time_missing_or_doubled(hub: Hub, start: Start) -> None:
    start("helperhub", "worker", "--processes", "1", "--threads", "4")
    killed, _ = start("helperhub", "scheduler"), start("helperhub", "scheduler")
    wait_for(lambda: len(finished(hub)) >= 3 and len(hub.catalogue.schedulers()) == 2)

    killed.kill()
    before = len(finished(hub))
    wait_for(lambda: len(finished(hub)) >= before + 4)
    hub.helpers.disable("tick")

    seconds = Counter(to_stamp(found.planned_at) for found in finished(hub) if found.planned_at)
    times = sorted(found.planned_at for found in finished(hub) if found.planned_at)
    assert set(seconds.values()) == {1}
    assert len(times) == (times[-1] - times[0]).total_seconds() + 1


def finished(hub: Hub) -> list[Execution]:
    return hub.executions.find(ExecutionFilter(helper="tick", statuses=frozenset({Status.SUCCESS})), limit=100)
