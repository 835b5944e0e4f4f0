"""Executions that must be ended from outside: poison, hard limits, cancelling; and workers that are replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helperhub.hub import Hub
from helperhub.model.execution import Execution, Status

from .conftest import Start, wait_for

PLUGIN = """
import ctypes, os, signal, time
from datetime import timedelta
from helperhub import RetryPolicy, helper, hookimpl

ONCE = RetryPolicy(max_attempts=1)

@helper(retry=ONCE)
def die(ctx):
    time.sleep(0.2)     # its neighbours are at work by then
    if ctx.payload == "segfault":
        ctypes.string_at(0)
    if ctx.payload == "exit":
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)

@helper(retry=ONCE)
def innocent(ctx):
    time.sleep(0.3)
    return ctx.delivery

@helper(retry=ONCE, time_limit=timedelta(seconds=1))
def deaf(ctx):
    ctypes.PyDLL(None).sleep(60)    # holds the GIL: no exception can strike

@helper(retry=ONCE, time_limit=timedelta(seconds=20))
def holds_the_gil(ctx):
    ctypes.PyDLL(None).sleep(5)
    return ctx.delivery

@helper(retry=ONCE)
def loop(ctx):
    while not (ctx.payload == "polite" and ctx.cancelled):
        time.sleep(0.05)
    return "saw it"

@helper(retry=ONCE)
def stubborn(ctx):
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

@helper
def pid(ctx):
    time.sleep(0.02)
    return os.getpid()

@hookimpl
def helperhub_register(hub):
    for found in (die, innocent, deaf, holds_the_gil, loop, stubborn, pid):
        hub.add(found)
"""
SETTINGS = {
    "HELPERHUB_WORKER__HARD_LIMIT_AFTER": "1s",
    "HELPERHUB_WORKER__CANCEL_GRACE": "1s",
    "HELPERHUB_WORKER__LEASE": "2s",
}


def ready(hub: Hub, workers: int = 1) -> None:
    wait_for(lambda: "pid" in hub.catalogue.read().rows and len(hub.workers.all()) == workers)


def ended(hub: Hub, execution_id: str, seconds: float = 25) -> Execution:
    wait_for(lambda: hub.executions.get(execution_id).status.final, seconds)
    return hub.executions.get(execution_id)


def running(hub: Hub, execution_id: str) -> None:
    wait_for(lambda: hub.executions.get(execution_id).status is Status.RUNNING)


@pytest.mark.parametrize(("how", "named"), [("segfault", "SIGSEGV"), ("kill", "SIGKILL"), ("exit", "exit code 0")])
def test_poison_is_found_and_its_neighbours_finish(hub: Hub, start: Start, how: str, named: str) -> None:
    start("helperhub", "worker", "--processes", "2", "--threads", "4")
    ready(hub, 2)

    poison = hub.enqueue("die", how)
    neighbours = hub.enqueue_many([("innocent", number) for number in range(30)])

    given_up = ended(hub, poison)
    assert given_up.status is Status.ERROR
    assert given_up.reason == f"worker_lost: {named}, 2 times while it ran alone"
    assert [ended(hub, id_).status for id_ in neighbours] == [Status.SUCCESS] * 30
    assert [letter.id for letter in hub.records.dead()] == [poison]


def test_what_no_exception_can_stop_is_ended_with_its_process(hub: Hub, start: Start) -> None:
    start("helperhub", "worker", "--processes", "1", "--threads", "2")
    ready(hub)
    neighbour = hub.enqueue("innocent")

    deaf = ended(hub, hub.enqueue("deaf"))

    assert (deaf.status, deaf.delivery) == (Status.ERROR, 1)
    assert deaf.reason == "ran past its hard time limit: its process was killed"
    assert deaf.errors[-1].type == "HardTimeLimitExceeded"
    assert ended(hub, neighbour).status is Status.SUCCESS


def test_hard_limit_holds_under_dramatiqs_own_command(hub: Hub, start: Start) -> None:
    process = start("dramatiq", "helperhub.actors", "-p", "1", "-t", "2", "--worker-fork-timeout", "2000")
    ready(hub)

    deaf = ended(hub, hub.enqueue("deaf"))

    assert deaf.reason == "ran past its hard time limit: its process was killed"
    # The command ends with its worker process. Told to stop while it does, it may log one line inside another, and
    # then waits for ever for the rest of it (dramatiq/cli.py, `sighandler` and `watch_logs`).
    assert process.wait(20) == 1


def test_execution_that_holds_the_gil_for_two_leases_isnt_stolen(hub: Hub, start: Start) -> None:
    start("helperhub", "worker", "--processes", "2", "--threads", "2")
    ready(hub, 2)

    held = ended(hub, hub.enqueue("holds-the-gil"))

    assert (held.status, held.delivery, held.result) == (Status.SUCCESS, 1, 1)


@pytest.mark.parametrize(
    ("helper", "payload", "status", "reason"),
    [
        ("loop", "polite", Status.SUCCESS, ""),
        ("loop", "rude", Status.CANCELLED, "cancelled: interrupted while it ran"),
        ("stubborn", None, Status.CANCELLED, "ran past its hard time limit: its process was killed"),
    ],
)
def test_cancelled_execution_is_asked_then_interrupted_then_ended(
    hub: Hub, start: Start, helper: str, payload: str | None, status: Status, reason: str
) -> None:
    start("helperhub", "worker", "--processes", "1", "--threads", "2")
    ready(hub)
    execution_id = hub.enqueue(helper, payload)
    running(hub, execution_id)

    assert hub.executions.cancel(execution_id, reason="enough") == "asked"

    execution = ended(hub, execution_id)
    assert (execution.status, execution.reason) == (status, reason)


@pytest.mark.parametrize(
    "limit",
    [
        {"HELPERHUB_WORKER__RECYCLE_EXECUTIONS": "20"},
        {"HELPERHUB_WORKER__RECYCLE_AGE": "2s"},
        {"HELPERHUB_WORKER__RECYCLE_MEMORY": "10000000"},
    ],
    ids=lambda limit: next(iter(limit)).rpartition("__")[2],
)
def test_worker_processes_are_replaced_without_a_second_delivery(hub: Hub, start: Start, limit: dict[str, str]) -> None:
    start("helperhub", "worker", "--processes", "2", "--threads", "2", **limit)
    ready(hub, 2)
    seen: set[int] = set()
    ids: list[str] = []

    def replaced() -> bool:
        ids.extend(hub.enqueue_many([("pid", None)] * 10))
        found = ended(hub, ids[-1])
        seen.add(int(found.result))
        return len(seen) >= 4

    wait_for(replaced, 40)

    executions = [ended(hub, id_) for id_ in ids]
    assert {(found.status, found.attempt, found.delivery) for found in executions} == {(Status.SUCCESS, 1, 1)}


def test_no_board_is_left_of_ended_worker_processes(hub: Hub, start: Start, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    boards.mkdir()
    worker = start("helperhub", "worker", "--processes", "2", "--threads", "2", TMPDIR=str(boards))
    ready(hub, 2)
    assert len(list(boards.iterdir())) == 2

    killed = int(ended(hub, hub.enqueue("pid")).result)
    os.kill(killed, 9)
    wait_for(lambda: len({found.about.get("pid") for found in hub.workers.store.all()} - {str(killed), None}) == 2)
    worker.terminate()
    worker.wait(20)

    assert list(boards.iterdir()) == []
