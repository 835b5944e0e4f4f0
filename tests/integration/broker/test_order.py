"""Order under load: higher queues first and priorities with their ageing, across all worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.broker.message import ClaimedMessage
from helperhub.broker.order import Waiting
from helperhub.store.body import Envelope
from helperhub.store.record import Record
from helperhub.testing.running import KNOWN_KEYS, build_hub, working

PLUGIN = """
import os, time
from helperhub import helper, hookimpl

def work(ctx):
    with open(os.environ["EFFECTS"], "a") as effects:
        effects.write(f"{ctx.payload} {os.getpid()} {time.monotonic()}\\n")
    time.sleep(0.003)

@hookimpl
def helperhub_register(hub):
    for queue in ("high", "default", "low"):
        hub.add(helper(name=f"work-{queue}", queue=queue)(work))
"""
THREADS = 4
PROCESSES = 3


def check_bound(passed: list[int]) -> None:
    """Refuse more lower ones ahead than threads; a busy machine, where a process gets no core for a while, has some.

    Without the look at higher queues it is all that was read ahead, up to 8 x threads.
    """
    counts = sorted(passed)
    assert counts[len(counts) // 2] <= THREADS, passed
    assert counts[-1 - len(counts) // 10] <= 2 * THREADS, passed


def claimed(queue: str, name: str) -> ClaimedMessage:
    return ClaimedMessage(name, Record(helper="h", queue=queue), Envelope(), claim=1, claimed_at=0.0)


def test_what_waits_in_a_process_starts_by_queue_and_in_claim_order() -> None:
    waiting = Waiting()

    waiting.extend([claimed("default", "d1"), claimed("low", "l1"), claimed("low", "l2")])
    waiting.extend([claimed("high", "h1"), claimed("default", "d2"), claimed("reports", "r1"), claimed("high", "h2")])

    assert len(waiting) == 7
    assert [waiting.popleft().execution_id for _ in range(7)] == ["h1", "h2", "d1", "d2", "r1", "l1", "l2"]
    with pytest.raises(IndexError):
        waiting.popleft()


def test_work_of_a_higher_queue_passes_what_was_read_ahead(hub: Hub, wait_until: Callable[..., None]) -> None:
    """The work that was read ahead, up to eight times as many as threads, was all started before."""
    starts: list[str] = []

    @dramatiq.actor(broker=hub.broker, queue_name="low")
    def later(number: int) -> None:
        starts.append(f"low {number}")
        time.sleep(0.003)

    @dramatiq.actor(broker=hub.broker, queue_name="high")
    def first(number: int) -> None:
        starts.append(f"high {number}")

    hub.enqueue_many([("later", number) for number in range(1_500)])
    passed = []
    with working(hub, threads=THREADS):
        wait_until(lambda: len(starts) > 100)
        for number in range(20):
            first.send(number)
            before = len(starts)
            wait_until(lambda name=f"high {number}": name in starts)
            passed.append(starts.index(f"high {number}") - before)
            time.sleep(0.01 + number / 1000)
        hub.queues.purge("low")

    check_bound(passed)


@pytest.fixture(name="environ")
def environ_fixture(redis_url: str, hub_name: str, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ordered.py").write_text(PLUGIN)
    metadata = tmp_path / "helperhub_ordered-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-ordered\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[helperhub]\nordered = ordered\n")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("HELPERHUB_")},
        "PYTHONPATH": str(tmp_path),
        "EFFECTS": str(tmp_path / "effects"),
        "HELPERHUB_REDIS_URL": redis_url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
        "HELPERHUB_LOG__LEVEL": "error",
    }


@pytest.fixture(name="many")
def many_fixture(redis_url: str, hub_name: str, environ: dict[str, str]) -> Iterator[Callable[[], Hub]]:
    """Returns the hub; called, it also starts the worker processes."""
    found = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub_name})
    argv = [sys.executable, "-m", "helperhub", "worker", "--processes", str(PROCESSES), "--threads", str(THREADS)]
    started: list[subprocess.Popen[bytes]] = []

    def start() -> Hub:
        started.append(subprocess.Popen(argv, env=environ))
        return found

    yield start
    for process in started:
        process.terminate()
        process.wait(30)
    found.close()


class Effects:
    """What the worker processes have started: name, process, moment."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._path = Path(environ["EFFECTS"])

    def read(self) -> list[tuple[str, str, float]]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        rows = [line.split() for line in lines]
        return [(name, pid, float(moment)) for name, pid, moment in (row for row in rows if len(row) == 3)]


def send(hub: Hub, queue: str, *names: str, **options: Any) -> None:
    messages: list[dramatiq.Message[Any]] = [
        dramatiq.Message(queue, f"work-{queue}", (name,), {}, {"max_retries": 0, **options}) for name in names
    ]
    hub.broker.enqueue_many(messages)


@pytest.mark.timeout(60)
def test_across_processes_at_most_as_many_lower_ones_as_threads_go_ahead(
    many: Callable[[], Hub], environ: dict[str, str], wait_until: Callable[..., None]
) -> None:
    effects = Effects(environ)
    hub = many()
    wait_until(lambda: len(hub.workers.all()) == PROCESSES, seconds=20)
    send(hub, "low", *(f"low-{number}" for number in range(4_000)))
    wait_until(lambda: len({pid for _, pid, _ in effects.read()}) == PROCESSES and len(effects.read()) > 200)

    sent = {}
    for number in range(15):
        send(hub, "default", f"default-{number}")
        send(hub, "high", f"high-{number}")
        sent[number] = time.monotonic()
        time.sleep(0.05)
    wait_until(lambda: sum(name.startswith(("high", "default")) for name, _, _ in effects.read()) == 30)
    hub.queues.purge("low")

    rows = effects.read()
    started = {name: (pid, moment) for name, pid, moment in rows}
    ahead = []
    for number, moment in sent.items():
        for queue in ("high", "default"):
            pid, start = started[f"{queue}-{number}"]
            ahead.append(sum(name.startswith("low") and by == pid and moment < at < start for name, by, at in rows))
    check_bound(ahead)


@pytest.mark.timeout(60)
def test_across_processes_priorities_start_in_their_order(
    many: Callable[[], Hub], environ: dict[str, str], wait_until: Callable[..., None]
) -> None:
    effects = Effects(environ)
    priorities = [number * number % 11 % 5 + 1 for number in range(600)]
    hub = build_hub((), url=environ["HELPERHUB_REDIS_URL"], settings={"HELPERHUB_HUB": environ["HELPERHUB_HUB"]})
    for number, priority in enumerate(priorities):
        send(hub, "default", f"{priority}-{number}", priority=priority)
    hub.close()

    many()
    wait_until(lambda: len(effects.read()) == len(priorities), seconds=30)

    order = [int(name[0]) for name, _, _ in sorted(effects.read(), key=lambda row: row[2])]
    # What may be in the hands of all processes: their threads', and eight times as much that was read ahead.
    in_hand = PROCESSES * THREADS * 9
    late = [place - priorities_before for place, priorities_before in _places(order)]
    assert max(late) <= in_hand, sorted(late)[-5:]


def _places(order: list[int]) -> Iterator[tuple[int, int]]:
    """Yield where each started, and how many at least as urgent there are: it can't be due later than behind these."""
    for place, priority in enumerate(order):
        yield place, sum(other <= priority for other in order)
