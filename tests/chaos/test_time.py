"""Machines whose clocks are wrong, or jump: nothing runs early, and nothing is stolen.

Only the wall clock of the processes is changed, from within (time-machine): Redis TIME, which decides, and the
monotonic clock stay. What libfaketime would do, change it for the system calls themselves, isn't tried.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.sizes import sizes
from tests.chaos.test_schedulers import planned_times

from helperhub.model.identity import parse_planned_id
from helperhub.model.instant import to_stamp

#: Loaded by Python at the start of each process that has it on its path.
WRONG_CLOCK = """
import datetime, itertools, os, threading, time
shifts = [float(text) for text in os.environ.get("CHAOS_CLOCK", "").split()]
if shifts:
    import time_machine
    sleep, real = time.sleep, time.time

    def jump():
        for shift in itertools.cycle(shifts):
            traveller = time_machine.travel(real_time() + shift, tick=True)
            traveller.start()
            sleep(1.0)
            traveller.stop()

    from time_machine import escape_hatch
    real_time = escape_hatch.time.time
    if len(shifts) == 1:
        time_machine.travel(real() + shifts[0], tick=True).start()
    else:
        threading.Thread(target=jump, daemon=True).start()
"""


@sizes(full=(30.0, "90"), names="for_s,clock")
def test_machine_whose_clock_is_ahead_runs_nothing_early(seed: int, for_s: float, clock: str) -> None:
    run_with_clocks(seed, for_s, scheduler=clock, worker=f"-{clock}", scenario="clocks 90 s off")


@sizes(small=(5.0, "0 90 0 -90"), full=(40.0, "0 90 0 -90 3600"), names="for_s,clock")
def test_clock_that_jumps_both_ways_runs_nothing_early_and_leaves_nothing_out(
    seed: int, for_s: float, clock: str
) -> None:
    run_with_clocks(seed, for_s, scheduler=clock, worker=clock, scenario="clocks jump")


def run_with_clocks(seed: int, for_s: float, *, scheduler: str, worker: str, scenario: str) -> None:
    with Arena(seed, scheduled="tick") as arena:
        (arena.directory / "sitecustomize.py").write_text(WRONG_CLOCK)
        arena.start_workers(processes=2, CHAOS_CLOCK=worker)
        arena.start_schedulers(1, CHAOS_CLOCK=scheduler)
        arena.start_schedulers(1)
        started_at = time.time() - time.monotonic()
        arena.offer(100, {"ms": 20})
        time.sleep(for_s)
        arena.drain()

        times = planned_times(arena, "tick")
        due = {f"tick@{to_stamp(at)}" for at in times}
        # On a machine with much else to do one may be late, and is superseded by the next; that is recorded.
        report = check(arena, scenario, ends=("success", "skipped"), due=due)
        effects = arena.ledger.effects()

    assert report.problems == []
    assert report.duplicates == 0
    assert report.ends.get("skipped", 0) <= 1 + len(times) // 10
    seconds = [int(at.timestamp()) for at in times]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    assert len(seconds) >= for_s - 2
    for effect in effects:
        planned = parse_planned_id(effect.id)
        if planned:
            # By the monotonic clock, which all processes of a machine share (clock_gettime(2)).
            ran_at = datetime.fromtimestamp(started_at + effect.mono, UTC)
            assert (ran_at - planned.planned_at).total_seconds() > -0.05, f"{effect.id} ran early"
