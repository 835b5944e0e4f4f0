"""Several schedulers, stopped, killed and away: each planned time has one outcome."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes

from helperhub.model.execution import Execution, Status
from helperhub.model.identity import parse_planned_id
from helperhub.model.instant import to_stamp

#: Seconds: what begins before is over before the minute is.
LATE_IN_A_MINUTE = 45


def planned_times(arena: Arena, helper: str) -> list[datetime]:
    """Return the planned times of a helper's recorded executions, in order."""
    client, keys = arena.hub.scripts.client, arena.hub.scripts.keys
    start = len(keys.record(""))
    names = client.scan_iter(match=keys.record(f"{helper}@*"), count=1000)
    found = [parse_planned_id(name.decode()[start:]) for name in names]
    return sorted(planned.planned_at for planned in found if planned)


@sizes(small=3.0, full=30.0)
def test_three_schedulers_one_killed_and_one_stopped_enqueue_each_time_once(seed: int, size: float) -> None:
    with Arena(seed, scheduled="tick") as arena:
        arena.start_workers(processes=1)
        arena.start_schedulers(3)
        wait_for(lambda: len(arena.ledger.effects()) >= 2, "some are due")
        stopped, killed, _ = arena.processes.schedulers
        os.kill(stopped.pid, signal.SIGSTOP)
        arena.processes.kill(killed)
        time.sleep(size)
        os.kill(stopped.pid, signal.SIGCONT)
        time.sleep(min(size, 5.0))
        arena.drain()

        times = planned_times(arena, "tick")
        due = {f"tick@{to_stamp(at)}" for at in times}
        report = check(arena, "schedulers stopped and killed", due=due)

    assert report.problems == []
    assert report.duplicates == 0
    # Second by second, one to one.
    assert times == [times[0] + timedelta(seconds=number) for number in range(len(times))]
    assert len(times) >= size


@sizes(small=2, full=8)
def test_schedulers_killed_at_any_moment_of_their_work_leave_no_time_out(seed: int, size: int) -> None:
    with Arena(seed, scheduled="tick") as arena:
        arena.start_workers(processes=1)
        arena.start_schedulers(2)
        wait_for(arena.ledger.effects, "some are due")
        for _ in range(size):
            time.sleep(0.5 + arena.chance.random())
            arena.processes.kill(arena.processes.schedulers.pop(0))
            arena.processes.start_scheduler()
        time.sleep(1.5)
        arena.drain()

        times = planned_times(arena, "tick")
        report = check(arena, "schedulers killed at work", due={f"tick@{to_stamp(at)}" for at in times})

    assert report.problems == []
    assert times == [times[0] + timedelta(seconds=number) for number in range(len(times))]


@sizes(small=(timedelta(hours=3), 180), full=(timedelta(minutes=10), 10), names="away,missed")
def test_outage_of_all_schedulers_is_followed_by_one_late_run_and_a_record_of_each_missed_time(
    seed: int, away: timedelta, missed: int
) -> None:
    # Else one comes due, and runs, before the outage.
    wait_for(lambda: datetime.now(UTC).second < LATE_IN_A_MINUTE, "another minute begins")
    with Arena(seed, scheduled="minute") as arena:
        arena.start_workers(processes=1)
        arena.start_schedulers(1)
        wait_for(lambda: arena.hub.plan.upcoming(helper="minute"), "it is planned")
        arena.processes.stop(arena.processes.schedulers)
        keys, client = arena.hub.scripts.keys, arena.hub.scripts.client
        # Time passes for the hub: the memory of its clock, which never runs backwards, is set forward.
        client.set(keys.at("clock"), int((datetime.now(UTC) + away).timestamp() * 1000))
        arena.start_schedulers(2)
        wait_for(lambda: len(ended(arena)) >= missed - 1, "all are recorded")
        time.sleep(0.5)
        arena.drain()

        found = ended(arena)
        report = check(arena, f"schedulers away for {away}", due={one.id for one in found}, ends=("success", "skipped"))

    assert report.problems == []
    assert max(Counter(one.planned_at for one in found).values()) == 1
    assert Counter(one.status for one in found)[Status.SUCCESS] == 1
    assert len(found) in (missed - 1, missed, missed + 1)


def ended(arena: Arena) -> list[Execution]:
    """Return the ended executions of the helper that runs each minute."""
    return [one for one in arena.hub.records.finished() if one.helper == "minute"]
