"""A middleware of somebody's own that raises in every hook: it is told, and costs nothing else."""

from __future__ import annotations

import json

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.sizes import sizes

#: Those that run for every execution.
PER_MESSAGE = {"before_process_message", "after_process_message", "before_ack", "after_ack"}


@sizes(small=(200, 0.7, 1.0), full=(5000, 2.0, 20.0), names="jobs,every_s,for_s")
def test_every_hook_raises_while_workers_die_and_nothing_is_lost(
    seed: int, jobs: int, every_s: float, for_s: float
) -> None:
    with Arena(seed, helpers="raising") as arena:
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        arena.offer_meanwhile(jobs, {"ms": 2, "fails": 1}, per_second=int(jobs / for_s))
        Faults(arena).every(every_s, Faults(arena).kill_a_worker, for_s=for_s)
        arena.drain(seconds=150)

        report = check(arena, "every hook raises", ends=("success", "error"))
        lines = (arena.directory / "log.jsonl").read_text().splitlines()

    failed = [json.loads(line)["hook"] for line in lines if '"event": "hook_failed"' in line]
    assert report.problems == []
    assert report.kills > 0
    assert set(failed) >= PER_MESSAGE
    assert failed.count("before_process_message") >= report.effects
