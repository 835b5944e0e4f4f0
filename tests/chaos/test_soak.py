"""Hours with all of it at a low rate: nothing is lost, and memory, file descriptors and keys stay flat."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.processes import wait_for

MINUTES = float(os.environ.get("HELPERHUB_TEST_SOAK_MINUTES", "120"))
#: So short that what comes in and what is forgotten are in balance after two minutes.
HISTORY = {"HELPERHUB_HISTORY__KEEP": "30s", "HELPERHUB_HISTORY__KEEP_FAILURES": "30s"}
#: Parts of the time: what grows by itself at first, such as pools and caches, has grown before the first.
EARLY, LATE = (0.25, 0.5), (0.75, 1.0)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_everything_at_a_low_rate_for_long_loses_nothing_and_grows_nowhere(seed: int) -> None:
    with Arena(seed, server=("--appendfsync", "always"), settings=HISTORY, scheduled="tick") as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(2)
        begin = time.monotonic()
        acts = [faults.kill_a_worker, faults.cut_connections, faults.forget_scripts, faults.kill_server]
        samples: list[tuple[float, dict[str, int]]] = []
        while (part := (time.monotonic() - begin) / (MINUTES * 60)) < 1:
            arena.offer(50, {"ms": 5, "fails": arena.chance.choice([0, 0, 0, 1])})
            time.sleep(3)
            arena.chance.choice(acts)()
            wait_for(lambda: has_ended(arena), "all ends", seconds=90)
            samples.append((part, measure(arena)))
        arena.drain()

        # Between two cleanings, one a minute, keys rise and fall: the most of a while is compared.
        figures = {what: [most(samples, what, EARLY), most(samples, what, LATE)] for what in samples[0][1]}
        ends = ("success", "error", "skipped")
        report = check(arena, "soak", ends=ends, keeps_history=False, figures=figures)

    assert report.problems == []
    for what, (early, late) in report.figures.items():
        assert late < early * 1.3 + 5, f"{what} grew from {early} to {late}"


def has_ended(arena: Arena) -> bool:
    """Return whether all that was enqueued has ended, but for what came due a moment ago."""
    try:
        return arena.unfinished() <= 1
    except Exception:  # noqa: BLE001 - whatever redis-py raises while the server is away
        return False


def most(samples: list[tuple[float, dict[str, int]]], what: str, span: tuple[float, float]) -> int:
    return max(found[what] for part, found in samples if span[0] <= part <= span[1])


def measure(arena: Arena) -> dict[str, int]:
    """Return memory and file descriptors of the processes that live throughout, and what Redis holds."""
    pids = [process.pid for process in [*arena.processes.supervisors, *arena.processes.schedulers]]
    return {
        "memory_kib": sum(int(line.split()[1]) for pid in pids for line in status(pid) if line.startswith("VmRSS")),
        "descriptors": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        "keys": arena.hub.scripts.client.dbsize(),
    }


def status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text().splitlines()
