"""Children are restarted one by one, stopped in order, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

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
from helperhub.supervise.children import Children, ChildSpec, RestartPolicy

SOON = timedelta(seconds=5)
QUICK = RestartPolicy(min_backoff=timedelta(milliseconds=20), max_backoff=timedelta(milliseconds=80))
WATCHING = """
import os, signal, sys, time
from helperhub.supervise.lifeline import Lifeline
lifeline = Lifeline.from_environment(os.environ)
lifeline.watch(lambda: os._exit(7))
"""
READY = WATCHING + 'lifeline.send({"event": "ready", "worker_id": sys.argv[1]})\ntime.sleep(60)\n'
DEAF = (
    "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    + READY
)
SUPERVISOR = """
import os, sys
from datetime import timedelta
from helperhub.supervise.child_events import ChildReady
from helperhub.supervise.children import Children, ChildSpec
with Children() as children:
    for name in "abc":
        children.start(ChildSpec(name, (sys.executable, "-c", sys.argv[1], name), dict(os.environ)))
    while True:
        for event in children.run_once(timedelta(seconds=1)):
            if isinstance(event, ChildReady):
                print(event.pid, flush=True)
"""


def python(name: str, code: str, restart: RestartPolicy = QUICK) -> ChildSpec:
    return ChildSpec(name, (sys.executable, "-c", code, name), dict(os.environ), restart)


def shell(name: str, code: str, restart: RestartPolicy = QUICK) -> ChildSpec:
    return ChildSpec(name, ("/bin/sh", "-c", code), {}, restart)


def run_until(children: Children, condition: Callable[[list[ChildEvent]], object]) -> list[ChildEvent]:
    events: list[ChildEvent] = []
    deadline = time.monotonic() + 10
    while not condition(events):
        assert time.monotonic() < deadline, events
        events += children.run_once(timedelta(seconds=1))
    return events


def run_until_ready(children: Children, count: int) -> list[ChildEvent]:
    return run_until(children, lambda events: sum(isinstance(event, ChildReady) for event in events) == count)


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as supervised:
        yield supervised


def test_child_is_started_reports_that_it_is_ready_and_stops(children: Children) -> None:
    children.start(python("worker-1", READY))
    pid = children.pids["worker-1"]

    events = run_until_ready(children, 1)
    stopped = children.stop(timeout=SOON)

    assert events == [
        ChildStarted("worker-1", pid),
        ChildReady("worker-1", pid, {"event": "ready", "worker_id": "worker-1"}),
    ]
    assert stopped == [ChildExited("worker-1", pid, -signal.SIGTERM, AfterExit.STOPPED)]
    assert children.is_idle


def test_last_words_of_a_child_come_before_its_exit(children: Children) -> None:
    children.start(python("worker", WATCHING + 'lifeline.send({"event": "bye"})\nos._exit(0)'))

    events = run_until(children, lambda _: children.is_idle)

    assert [type(event) for event in events] == [ChildStarted, ChildReported, ChildExited]


def test_dead_child_is_restarted_alone(children: Children) -> None:
    children.start(python("a", READY))
    children.start(python("b", READY))
    run_until_ready(children, 2)
    before = children.pids

    os.kill(before["a"], signal.SIGKILL)
    events = run_until_ready(children, 1)

    exited, restarting, started, ready = events
    assert exited == ChildExited("a", before["a"], -signal.SIGKILL, AfterExit.RESTART)
    assert exited.signal_name == "SIGKILL"
    assert restarting == ChildRestarting("a", QUICK.min_backoff)
    assert isinstance(started, ChildStarted)
    assert isinstance(ready, ChildReady)
    assert children.pids["a"] == started.pid == ready.pid != before["a"]
    assert children.pids["b"] == before["b"]


def test_death_of_a_child_is_seen_at_once(children: Children) -> None:
    children.start(python("a", READY))
    run_until_ready(children, 1)

    killed = time.monotonic()
    os.kill(children.pids["a"], signal.SIGKILL)
    run_until(children, lambda events: any(isinstance(event, ChildExited) for event in events))

    assert time.monotonic() - killed < 0.15  # the periodic look comes every 0.2 s only


def test_restarts_are_further_and_further_apart_up_to_a_maximum(children: Children) -> None:
    children.start(shell("worker", "exit 3"))
    started = time.monotonic()

    events = run_until(children, lambda events: sum(isinstance(event, ChildRestarting) for event in events) == 5)

    delays = [event.delay // timedelta(milliseconds=1) for event in events if isinstance(event, ChildRestarting)]
    assert delays == [20, 40, 80, 80, 80]
    assert time.monotonic() - started > sum(delays[:4]) / 1000


def test_backoff_starts_anew_after_a_child_ran_long_enough(children: Children) -> None:
    policy = RestartPolicy(min_backoff=timedelta(milliseconds=20), reset_after=timedelta(milliseconds=100))
    children.start(shell("worker", "sleep 0.12; exit 3", policy))

    events = run_until(children, lambda events: sum(isinstance(event, ChildRestarting) for event in events) == 2)

    assert {event.delay for event in events if isinstance(event, ChildRestarting)} == {policy.min_backoff}


def test_delay_doubles_from_a_tenth_of_a_second_to_thirty() -> None:
    delays = [RestartPolicy().delay(failures).total_seconds() for failures in (1, 2, 3, 9, 10, 5000)]

    assert delays == [0.1, 0.2, 0.4, 25.6, 30, 30]


@pytest.mark.parametrize(("status", "then"), [(0, AfterExit.DONE), (78, AfterExit.BAD_CONFIGURATION)])
def test_child_that_is_done_or_badly_configured_is_not_restarted(
    children: Children, status: int, then: AfterExit
) -> None:
    children.start(shell("worker", f"exit {status}"))

    events = run_until(children, lambda events: any(isinstance(event, ChildExited) for event in events))

    assert events[-1] == ChildExited("worker", events[-1].pid, status, then)  # type: ignore[union-attr]
    assert children.is_idle


def test_child_that_waits_for_its_restart_is_not_started_after_stop(children: Children) -> None:
    children.start(shell("worker", "exit 3", RestartPolicy(min_backoff=timedelta(hours=1))))
    run_until(children, lambda events: any(isinstance(event, ChildRestarting) for event in events))
    assert not children.is_idle

    children.stop(timeout=SOON)

    assert children.is_idle


def test_program_that_is_missing_is_a_configuration_error(children: Children) -> None:
    with pytest.raises(ConfigurationError, match="'/nonexistent/program', the program of worker"):
        children.start(ChildSpec("worker", ("/nonexistent/program",), {}))

    assert children.is_idle


def test_program_that_vanishes_before_a_restart_is_tried_again(children: Children, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nrm "$0"\nexit 3\n')
    program.chmod(0o755)
    children.start(ChildSpec("worker", (str(program),), {"PATH": os.defpath}, QUICK))

    events = run_until(children, lambda events: sum(isinstance(event, ChildNotStarted) for event in events) == 2)

    delays = [event.delay // timedelta(milliseconds=1) for event in events if isinstance(event, ChildRestarting)]
    assert delays[:2] == [20, 40]


def test_two_children_with_one_name_are_refused(children: Children) -> None:
    children.start(shell("worker", "sleep 60"))

    with pytest.raises(ValueError, match="worker"):
        children.start(shell("worker", "sleep 60"))


def test_groups_stop_in_the_order_they_are_asked_to(children: Children) -> None:
    for name in ("web", "worker", "scheduler"):
        children.start(python(name, READY))
    run_until_ready(children, 3)

    first = children.stop(["scheduler", "web"], timeout=SOON)
    assert {event.name for event in first} == {"scheduler", "web"}
    assert list(children.pids) == ["worker"]

    second = children.stop(timeout=SOON)
    assert [event.name for event in second] == ["worker"]


def test_child_that_ignores_sigterm_is_killed_with_what_it_started_after_the_timeout(
    children: Children, is_gone: Callable[[int], bool], wait_until: Callable[[Callable[[], object]], None]
) -> None:
    grandchild = "import subprocess\ncommand = ['sleep', '60']\nlifeline.send({'pid': subprocess.Popen(command).pid})\n"
    children.start(python("worker", DEAF.replace("time.sleep", grandchild + "time.sleep")))
    events = run_until(children, lambda events: any(isinstance(event, ChildReported) for event in events))
    grandchild_pid = next(event.message["pid"] for event in events if isinstance(event, ChildReported))

    stopped = children.stop(timeout=timedelta(milliseconds=100))

    assert [event.returncode for event in stopped if isinstance(event, ChildExited)] == [-signal.SIGKILL]
    wait_until(lambda: is_gone(grandchild_pid))


def test_asking_to_stop_leaves_the_caller_free_until_the_child_is_killed(children: Children) -> None:
    children.start(python("worker", DEAF))
    run_until_ready(children, 1)

    asked = time.monotonic()
    children.ask_to_stop(timeout=timedelta(milliseconds=200))
    assert time.monotonic() - asked < 0.1
    assert children.run_once() == []

    [exited] = run_until(children, lambda events: events)
    assert isinstance(exited, ChildExited)
    assert exited.then is AfterExit.STOPPED
    assert time.monotonic() - asked >= 0.2


def test_child_is_in_a_process_group_of_its_own_and_gets_signals_that_are_passed_on(children: Children) -> None:
    children.start(python("worker", READY))
    run_until_ready(children, 1)
    assert os.getpgid(children.pids["worker"]) == children.pids["worker"]

    children.send_signal(signal.SIGUSR1)

    exited, _ = run_until(children, lambda events: len(events) >= 2)
    assert isinstance(exited, ChildExited)
    assert exited.signal_name == "SIGUSR1"


def test_block_leaves_no_child_and_no_zombie() -> None:
    with Children() as children:
        children.start(python("a", READY))
        children.start(shell("b", "exit 0"))
        run_until_ready(children, 1)
        pids = list(children.pids.values())

    for pid in pids:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_children_end_within_two_seconds_when_their_supervisor_is_killed(
    is_gone: Callable[[int], bool], wait_until: Callable[[Callable[[], object]], None]
) -> None:
    command = [sys.executable, "-c", SUPERVISOR, DEAF]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(supervisor.stdout.readline()) for _ in "abc"]
        assert len(set(pids)) == 3

        supervisor.kill()
        killed = time.monotonic()
        wait_until(lambda: all(is_gone(pid) for pid in pids))

        assert time.monotonic() - killed < 2


def test_child_that_is_forgiven_starts_again_after_the_first_delay(children: Children, tmp_path: Path) -> None:
    """40 executions that each killed their process stopped a supervisor of two for minutes."""
    slow = RestartPolicy(min_backoff=timedelta(milliseconds=20), max_backoff=timedelta(seconds=60))
    children.start(python("dies", "import os; os.kill(os.getpid(), 9)", slow))
    delays: list[timedelta] = []

    while len(delays) < 5:
        for event in children.run_once(timedelta(seconds=5)):
            if isinstance(event, ChildRestarting):
                delays.append(event.delay)
                children.forgive("dies")

    assert set(delays[1:]) == {timedelta(milliseconds=40)}
    children.forgive("nobody")
