"""The keeper: leases held from outside, hard limits, and who is suspected of a death."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from helperhub.model.instant import parse_instant
from helperhub.store.board import Board, BoardReader
from helperhub.store.connection import build_client
from helperhub.store.executions import Executions
from helperhub.store.keys import Keys
from helperhub.store.record import Record
from helperhub.store.scripts import Publication, Scripts
from helperhub.store.workers import Workers
from helperhub.supervise.keeper import Keeper, process_state, resident_bytes

LEASE = timedelta(seconds=30)


@pytest.fixture
def scripts(redis_url: str, hub_name: str) -> Iterator[Scripts]:
    client: Any = build_client(redis_url)
    yield Scripts(client, Keys(hub_name))
    client.close()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as found:
        yield found
        found.kill()


def start(scripts: Scripts, *ids: str, worker: str = "w", max_attempts: int = 3) -> None:
    """Have a worker process claim these executions, under claim 1."""
    record = Record(helper="tidy", max_attempts=max_attempts)
    scripts.publish([Publication(id_, record) for id_ in ids])
    scripts.join(worker, lease_ms=30_000, about={"queues": "default"})
    scripts.claim(worker, ["default"], number=1, want=len(ids), will_wait=False, waited=False)


def ready(scripts: Scripts, kind: str) -> list[str]:
    return sorted(raw.decode() for raw in scripts.client.zrange(scripts.keys.at(kind, "default"), 0, -1))


def lease_ms(scripts: Scripts) -> int:
    return int(scripts.client.zscore(scripts.keys.at("workers"), "w") or 0)


@pytest.mark.parametrize(("state", "renewed"), [("S", True), ("T", False), ("Z", False)])
def test_lease_is_renewed_for_the_living_and_not_for_the_stopped(scripts: Scripts, state: str, renewed: bool) -> None:
    start(scripts, "a")
    scripts.client.zadd(scripts.keys.at("workers"), {"w": lease_ms(scripts) - 20_000})
    before = lease_ms(scripts)
    keeper = Keeper(scripts, lease=LEASE, state_of=lambda pid: state)

    keeper.hold("w", 1)
    keeper.tick()

    assert (lease_ms(scripts) > before) is renewed


def test_started_execution_of_a_dead_process_is_suspected_and_what_waited_there_is_not(scripts: Scripts) -> None:
    start(scripts, "runs", "waits")
    board = Board(2)
    board.enter("runs", 1)
    keeper = Keeper(scripts, lease=LEASE)
    keeper.hold("w", 1, board=board.path)

    keeper.drop("w", cause="SIGSEGV")
    (reaped,) = keeper.tick()

    assert (reaped.worker, reaped.handed_out) == ("w", 2)
    assert (ready(scripts, "suspects"), ready(scripts, "ready")) == (["runs"], ["waits"])
    assert not board.path.exists()
    assert not keeper.has_dead


@pytest.mark.parametrize("innocent", [True, False])
def test_without_a_board_all_is_suspected_unless_the_process_was_ended_on_purpose(
    scripts: Scripts, innocent: bool
) -> None:
    start(scripts, "a", "b")
    keeper = Keeper(scripts, lease=LEASE)
    keeper.hold("w", 1)

    keeper.drop("w", innocent=innocent)
    keeper.tick()

    assert ready(scripts, "ready" if innocent else "suspects") == ["a", "b"]


def test_process_is_killed_for_what_ran_too_long_and_its_neighbours_are_innocent(
    scripts: Scripts, process: subprocess.Popen[bytes]
) -> None:
    start(scripts, "late", "neighbour")
    board = Board(2)
    entering = threading.Thread(target=board.enter, args=("neighbour", 1))
    entering.start()
    entering.join()
    board.enter("late", 1)
    board.kill_at(0.001)
    keeper = Keeper(scripts, lease=LEASE)
    keeper.hold("w", process.pid, board=board.path)

    keeper.tick()
    assert process.wait(5) == -9
    keeper.drop("w", cause="SIGKILL")
    keeper.tick()

    late, neighbour = Executions(scripts.client, scripts.keys).get_many(["late", "neighbour"])
    assert (late.attempt, late.reason) == (2, "ran past its hard time limit: its process was killed")
    assert neighbour.attempt == 1
    assert ready(scripts, "ready") == ["neighbour"]


def test_stopped_process_isnt_killed_for_what_it_couldnt_do(scripts: Scripts) -> None:
    start(scripts, "late")
    board = Board(1)
    board.enter("late", 1)
    board.kill_at(0.001)
    killed: list[int] = []
    keeper = Keeper(scripts, lease=LEASE, state_of=lambda pid: "T")
    keeper.hold("w", 1, board=board.path, kill=killed.append)

    keeper.tick()

    assert killed == []
    board.close()


def test_work_of_the_dead_waits_until_redis_is_back(hub_name: str, redis_url: str, scripts: Scripts) -> None:
    start(scripts, "a")
    away: Any = build_client("unix:///nowhere/server.sock", retries=0)
    keeper = Keeper(Scripts(away, Keys(hub_name)), lease=LEASE)
    keeper.hold("w", 1)
    keeper.drop("w", cause="SIGKILL")

    assert keeper.tick() == []
    assert keeper.has_dead

    keeper._scripts = scripts
    assert [one.worker for one in keeper.tick()] == ["w"]


def test_what_threads_run_and_the_memory_of_their_process_are_told_with_the_lease(
    scripts: Scripts, process: subprocess.Popen[bytes]
) -> None:
    board = Board(2)
    keeper = Keeper(scripts, lease=LEASE)
    registry = Workers(scripts.client, scripts.keys)
    start(scripts, "a", "b")
    keeper.hold("w", process.pid, board=board.path)

    board.enter("a", 1)
    keeper.tick()
    first = registry.all()[0].to_document()
    board.enter("b", 1)
    deadline = time.monotonic() + 10
    then = first
    while [one["id"] for one in then["doing"]] != ["b"]:
        assert time.monotonic() < deadline, "a change is told long before a third of the lease is over"
        time.sleep(0.05)
        keeper.tick()
        then = registry.all()[0].to_document()

    assert [(one["thread"], one["id"]) for one in first["doing"]] == [(1, "a")]
    assert first["memory_bytes"] > 1_000_000
    assert first["seen_at"] <= then["seen_at"]
    assert first["doing"][0]["since"] <= then["doing"][0]["since"] <= then["seen_at"]
    board.close()


def test_what_goes_on_running_keeps_the_moment_it_was_seen_first(
    scripts: Scripts, process: subprocess.Popen[bytes]
) -> None:
    board = Board(1)
    keeper = Keeper(scripts, lease=timedelta(milliseconds=300))
    registry = Workers(scripts.client, scripts.keys)
    start(scripts, "a")
    keeper.hold("w", process.pid, board=board.path)
    board.enter("a", 1)
    keeper.tick()
    first = registry.all()[0].to_document()

    deadline = time.monotonic() + 10
    while (then := registry.all()[0].to_document())["seen_at"] == first["seen_at"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        keeper.tick()

    began, still = (parse_instant(one["doing"][0]["since"]) for one in (first, then))
    assert abs(still - began) < parse_instant(then["seen_at"]) - parse_instant(first["seen_at"])
    board.close()


def test_lease_that_is_over_gets_no_record_of_what_was_seen(scripts: Scripts, process: subprocess.Popen[bytes]) -> None:
    keeper = Keeper(scripts, lease=LEASE)
    keeper.hold("w", process.pid)

    keeper.tick()

    assert scripts.client.exists(scripts.keys.at("worker", "w")) == 0


def test_state_and_memory_of_a_process_are_told(process: subprocess.Popen[bytes]) -> None:
    assert process_state(process.pid) in "RSD"
    deadline = time.monotonic() + 10
    while resident_bytes(process.pid) <= 1_000_000:  # it has only just been started
        assert time.monotonic() < deadline
    process.kill()
    process.wait()
    assert process_state(process.pid) == "X"
    assert resident_bytes(process.pid) == 0


def test_board_tells_what_each_thread_runs() -> None:
    board = Board(1)
    reader = BoardReader(board.path)
    board.enter("x" * 600, 3)
    board.count(7)

    (note,) = reader.notes()
    assert (len(note.id), note.claim, reader.started) == (484, 3, 7)
    board.leave()
    assert reader.notes() == []
    other = threading.Thread(target=board.enter, args=("more than there are slots", 1))
    other.start()
    other.join()
    assert reader.notes() == []
    board.close()


def test_file_that_is_no_board_is_told_and_everything_is_suspected(scripts: Scripts, tmp_path: Any) -> None:
    path = tmp_path / "board"
    path.write_bytes(b"something else entirely")
    start(scripts, "a")
    keeper = Keeper(scripts, lease=LEASE)

    keeper.hold("w", 1, board=path)
    keeper.drop("w")
    keeper.tick()

    assert ready(scripts, "suspects") == ["a"]
