"""The ``dramatiq`` command, as a process, on a module as users write them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.model.execution import Status
from helperhub.testing.running import KNOWN_KEYS

TASKS = """
import os
import dramatiq
from helperhub.actors import broker

@dramatiq.actor
def add(x, y):
    return x + y

@dramatiq.actor(max_retries=0)
def fail():
    raise ValueError("no use")

@dramatiq.actor(queue_name="high")
def pid():
    return os.getpid()

def set_up():
    dramatiq.set_broker(broker)
"""
OWN_HUB = """
import dramatiq
from helperhub import Hub

dramatiq.set_broker(Hub.from_env().broker)

@dramatiq.actor
def add(x, y):
    return x + y
"""
Start = Callable[..., subprocess.Popen[str]]
#: The command with its worker process and that one's keeper, started twice: 8 s where eight others want the processors.
TWO_STARTS_S = 90


@pytest.fixture
def environ(tmp_path: Path, redis_url: str, hub_name: str) -> dict[str, str]:
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "own_hub.py").write_text(OWN_HUB)
    (tmp_path / "more_tasks.py").write_text("import dramatiq\n\n@dramatiq.actor\ndef double(x):\n    return 2 * x\n")
    return {
        **os.environ,
        # Where the command starts itself anew, it looks for Python there.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HELPERHUB_REDIS_URL": redis_url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
    }


@pytest.fixture
def run(environ: Mapping[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def run(*argv: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *argv],
            env={**environ, **more},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


@pytest.fixture
def start(run: Start) -> Iterator[Start]:
    """Start the command; it is stopped after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*argv: str, **more: str) -> subprocess.Popen[str]:
        started.append(run("-m", "dramatiq", *argv, **more))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.communicate(timeout=20)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)


def send(hub: Hub, actor: str, *args: Any, queue: str = "default") -> dramatiq.Message[Any]:
    """Send as another program would that has the actor."""
    return hub.broker.enqueue(dramatiq.Message(queue, actor, args, {}, {}))


def test_processes_threads_queues_and_files_are_as_asked(hub: Hub, start: Start, tmp_path: Path) -> None:
    options = ["--processes", "2", "--threads", "3", "--queues", "high", "--pid-file", "pid", "--log-file", "log"]
    other = send(hub, "add", 1, 2)

    process = start("tasks", *options, "--worker-shutdown-timeout", "5000")

    wait_for(lambda: len(hub.workers.all()) == 2)
    assert [worker["queues"] for worker in hub.workers.all()] == [["high"], ["high"]]
    assert [worker["threads"] for worker in hub.workers.all()] == [3, 3]
    ran = send(hub, "pid", queue="high").get_result(block=True)
    assert ran in {worker["pid"] for worker in hub.workers.all()}
    assert (tmp_path / "pid").read_text() == str(process.pid)
    assert hub.executions.get(other.message_id).status is Status.QUEUED

    process.terminate()
    assert process.wait(20) == 0
    assert hub.workers.all() == []
    assert "is booting up" in (tmp_path / "log").read_text()
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["tasks"],
        ["tasks:broker"],
        ["tasks:set_up"],
        ["helperhub.actors", "tasks"],
        ["tasks", "--use-spawn"],
        ["own_hub"],
    ],
    ids=" ".join,
)
def test_module_is_served_however_it_is_named(hub: Hub, start: Start, argv: list[str]) -> None:
    start(*argv, "-p", "1", "-t", "2")

    assert send(hub, "add", 1, 2).get_result(block=True, timeout=20_000) == 3


def test_more_modules_bring_more_actors(hub: Hub, start: Start) -> None:
    start("tasks", "more_tasks", "-p", "1", "-t", "2")

    assert send(hub, "double", 21).get_result(block=True, timeout=20_000) == 42


def test_program_that_imports_the_module_sends_and_gets_results(hub: Hub, start: Start, run: Start) -> None:
    start("tasks", "-p", "1", "-t", "2")

    script = "import tasks; print((tasks.add.message(1, 2) | tasks.add.message(3)).run().get_result(block=True))"
    output, _ = run("-c", script).communicate(timeout=25)

    assert output.splitlines()[-1] == "6"


def test_lease_of_a_hub_of_ones_own_is_held_too(hub: Hub, start: Start) -> None:
    """Without ``helperhub.actors`` nobody renewed it: what ran was handed out again after the lease."""
    start("own_hub", "-p", "1", "-t", "2", HELPERHUB_WORKER__LEASE="3s")
    assert send(hub, "add", 1, 2).get_result(block=True, timeout=20_000) == 3
    (worker,) = hub.workers.store.all()

    wait_for(lambda: any(one.lease_until_ms > worker.lease_until_ms + 4_000 for one in hub.workers.store.all()))


@pytest.mark.timeout(TWO_STARTS_S)
def test_hangup_starts_the_worker_processes_anew(hub: Hub, start: Start) -> None:
    process = start("tasks", "-p", "1", "-t", "2")
    first = send(hub, "pid", queue="high").get_result(block=True, timeout=20_000)

    process.send_signal(signal.SIGHUP)
    wait_for(lambda: first not in {worker["pid"] for worker in hub.workers.all()})

    assert send(hub, "pid", queue="high").get_result(block=True, timeout=20_000) != first
    assert process.poll() is None


def test_command_that_is_told_twice_to_stop_stops(hub: Hub, run: Start) -> None:
    """Its worker process left by sys.exit and waited for the event loop's thread for ever."""
    process = run("-m", "dramatiq", "tasks", "-p", "1", "-t", "2")
    assert send(hub, "add", 1, 2).get_result(block=True, timeout=20_000) == 3

    process.terminate()
    process.terminate()

    process.communicate(timeout=15)


@pytest.mark.timeout(TWO_STARTS_S)
def test_watch_starts_the_worker_processes_anew(hub: Hub, start: Start, tmp_path: Path) -> None:
    start("tasks", "-p", "1", "-t", "2", "--watch", ".")
    assert send(hub, "add", 1, 2).get_result(block=True, timeout=20_000) == 3

    (tmp_path / "tasks.py").write_text(TASKS.replace("x + y", "x * y"))

    wait_for(lambda: send(hub, "add", 3, 4).get_result(block=True, timeout=15_000) == 12, seconds=15)


def test_watch_without_what_it_needs_says_what_that_is(run: Start, tmp_path: Path) -> None:
    (tmp_path / "watchdog.py").write_text("raise ImportError")  # found before the one that may be installed
    process = run("-m", "dramatiq", "tasks", "--watch", ".")

    output, _ = process.communicate(timeout=20)

    assert process.returncode == 2
    assert "pip install 'dramatiq[watch]'" in output


def test_logging_of_dramatiq_can_be_skipped(hub: Hub, start: Start, run: Start) -> None:
    process = run("-m", "dramatiq", "tasks", "-p", "1", "-t", "2", "--skip-logging")
    assert send(hub, "add", 1, 2).get_result(block=True, timeout=20_000) == 3

    process.terminate()
    output, _ = process.communicate(timeout=20)

    assert "is booting up" not in output


def test_failure_is_told_with_its_reason_and_traceback(hub: Hub, run: Start) -> None:
    """The command's own format has no place for fields: it said "attempt_finished" and nothing else."""
    process = run("-m", "dramatiq", "tasks", "-p", "1", "-t", "2")
    message = send(hub, "fail")
    wait_for(lambda: hub.executions.get(message.message_id).status is Status.ERROR)

    process.terminate()
    output, _ = process.communicate(timeout=20)

    (line,) = [line for line in output.splitlines() if "attempt_finished" in line]
    assert f"execution_id={message.message_id}" in line
    assert "no use" in line
    assert 'raise ValueError("no use")' in output


@pytest.mark.parametrize(
    ("environ_of_it", "said"),
    [({"HELPERHUB_REDIS_URL": "redis://127.0.0.1:1/0"}, "127.0.0.1:1"), ({"HELPERHUB_SIGNING__KEYS": ""}, "key")],
    ids=["Redis is away", "no key"],
)
def test_worker_that_cant_work_ends_instead_of_living_on(run: Start, environ_of_it: dict[str, str], said: str) -> None:
    """The error in the hook was logged, and the worker took nothing for ever."""
    process = run("-m", "dramatiq", "own_hub", "-p", "1", "--worker-fork-timeout", "2000", **environ_of_it)

    output, _ = process.communicate(timeout=25)

    assert process.returncode == 3
    assert said in output


def test_redis_that_is_away_ends_the_command_with_one_line(run: Start) -> None:
    process = run(
        "-m",
        "dramatiq",
        "tasks",
        "-p",
        "1",
        "--worker-fork-timeout",
        "2000",
        HELPERHUB_REDIS_URL="redis://127.0.0.1:1/0",
    )

    output, _ = process.communicate(timeout=25)

    assert process.returncode != 0
    assert "helperhub: " in output
    assert "Traceback" not in output
