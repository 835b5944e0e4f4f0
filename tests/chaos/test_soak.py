"""Hours with all of it at a low rate: nothing is lost, and memory and file descriptors stay flat."""

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


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_everything_at_a_low_rate_for_long_loses_nothing_and_grows_nowhere(seed: int) -> None:
    with Arena(seed, server=("--appendfsync", "always")) as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(2)
        # What grows by itself at first, such as pools and caches, has grown after a tenth of the time.
        end, warm = time.monotonic() + MINUTES * 60, time.monotonic() + MINUTES * 6
        acts = [faults.kill_a_worker, faults.cut_connections, faults.forget_scripts, faults.kill_server]
        before: tuple[int, int] | None = None
        while time.monotonic() < end:
            arena.offer(50, {"ms": 5, "fails": arena.chance.choice([0, 0, 0, 1])})
            time.sleep(3)
            arena.chance.choice(acts)()
            wait_for(arena.has_drained, "all ends", seconds=90)
            if before is None and time.monotonic() > warm:
                before = grown(arena)
        after = grown(arena)
        arena.drain()

        report = check(arena, "soak", ends=("success", "error"))

    assert report.problems == []
    assert before is not None
    assert after[0] < before[0] * 1.3
    assert after[1] <= before[1] + 5


def grown(arena: Arena) -> tuple[int, int]:
    """Return the resident memory (KiB) and the file descriptors of the processes that live throughout."""
    pids = [process.pid for process in [*arena.processes.supervisors, *arena.processes.schedulers]]
    memory = sum(int(line.split()[1]) for pid in pids for line in status(pid) if line.startswith("VmRSS"))
    return memory, sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text().splitlines()
