"""Worker processes, their supervisors and their machines end or stand still: nothing is lost."""

from __future__ import annotations

import os
import signal
import time

from tests.chaos.arena import LEASE_S, SETTLE_WINDOW, THREADS, Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes

#: A suspect runs alone, and one that dies alone twice is given up: at random kills that may strike an innocent.
KILLED = ("success", "error")


@sizes(small=(800, 0.7, 2.5), full=(20_000, 2.0, 60.0), names="jobs,every_s,for_s")
def test_worker_processes_killed_at_random_lose_nothing(seed: int, jobs: int, every_s: float, for_s: float) -> None:
    with Arena(seed) as arena:
        arena.start_workers(processes=3)
        arena.start_schedulers(2)
        arena.offer_meanwhile(jobs, {"ms": 5}, per_second=int(jobs / for_s))
        Faults(arena).every(every_s, Faults(arena).kill_a_worker, for_s=for_s)
        arena.drain(seconds=200)

        report = check(arena, "worker processes killed at random", ends=KILLED)

    assert report.problems == []
    assert report.kills > 0


@sizes(small=(400, 0.7, 1.5), full=(10_000, 2.0, 30.0), names="jobs,every_s,for_s")
def test_without_a_settle_window_a_kill_repeats_what_the_threads_ran_at_most(
    seed: int, jobs: int, every_s: float, for_s: float
) -> None:
    with Arena(seed, settle_window=0) as arena:
        arena.start_workers(processes=3)
        arena.start_schedulers(1)
        arena.offer_meanwhile(jobs, {"ms": 5}, per_second=int(jobs / for_s))
        Faults(arena).every(every_s, Faults(arena).kill_a_worker, for_s=for_s)
        arena.drain(seconds=200)

        report = check(arena, "killed without a settle window", ends=KILLED)

    assert report.problems == []
    assert report.bound == report.kills * THREADS > 0


@sizes(small=(5, 60), full=(12, 2000), names="deadly,neighbours")
def test_death_between_effect_and_settle_repeats_that_one_and_loses_none(
    seed: int, deadly: int, neighbours: int
) -> None:
    with Arena(seed) as arena:
        arena.start_workers(processes=2)
        ids = []
        # Not too many: a worker process that dies again and again is started again ever later, up to 30 s.
        for _ in range(deadly):
            ids += arena.offer(1, {"dies": 1})
            arena.offer(neighbours // deadly, {"ms": 2})
        arena.drain(seconds=200)

        effects = [arena.ledger.effects_by_id()[id_] for id_ in ids]
        # One whose first hand-out ended with somebody else's process, before it began, kills nobody.
        killers = [found for found in effects if found[0].delivery == 1]
        arena.kills = len(killers)
        report = check(arena, "killed between effect and settle")

    assert report.problems == []
    assert killers
    assert min(len(found) for found in killers) >= 2


@sizes(small=1, full=6)
def test_death_while_a_retry_is_settled_counts_the_attempt_once(seed: int, size: int) -> None:
    with Arena(seed) as arena:
        client = arena.hub.scripts.client
        arena.start_workers(processes=1)
        for _ in range(size):
            before = len(arena.ledger.effects())
            # The verdict reaches the server and waits there while its sender dies.
            client.client_pause(800, all=False)
            client.execute_command("CLIENT", "UNPAUSE")
            (id_,) = arena.offer(1, {"fails": 1, "ms": 150})
            wait_for(lambda before=before: len(arena.ledger.effects()) > before, "the attempt begins")  # type: ignore[misc]
            client.client_pause(800, all=False)
            time.sleep(0.4)
            for pid in arena.processes.worker_pids():
                os.kill(pid, signal.SIGKILL)
                arena.kills += 1
            client.execute_command("CLIENT", "UNPAUSE")
            wait_for(lambda id_=id_: arena.hub.executions.get(id_).status.final, "it ends")  # type: ignore[misc]
        arena.drain()

        report = check(arena, "killed while a retry is settled")
        attempts = {arena.hub.executions.get(id_).attempt for id_ in arena.ledger.accepted}

    assert report.problems == []
    assert attempts == {2}


@sizes(full=(5000, 5), names="jobs,kills")
def test_supervisor_that_is_killed_takes_its_workers_along_and_another_goes_on(
    seed: int, jobs: int, kills: int
) -> None:
    with Arena(seed) as arena:
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        for _ in range(kills):
            arena.offer(jobs // kills, {"ms": 10})
            wait_for(arena.ledger.effects, "some take effect")
            Faults(arena).kill_a_supervisor()
            arena.processes.start_workers(2, THREADS)
        arena.drain(seconds=120)

        report = check(arena, "supervisor killed", ends=KILLED)

    assert report.problems == []


@sizes(small=(60, 1), full=(600, 4), names="jobs,stops")
def test_worker_that_is_stopped_past_three_leases_changes_nothing_when_it_goes_on(
    seed: int, jobs: int, stops: int
) -> None:
    with Arena(seed) as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        for _ in range(stops):
            arena.offer(jobs // stops, {"ms": 60})
            wait_for(lambda: any(found["running"] for found in arena.hub.workers.all()), "some run")
            pid = faults.stop_a_worker()
            time.sleep(3 * LEASE_S + 0.5)
            faults.resume(pid)
        # Its outcomes were on their way, too.
        arena.lost_leases += stops * SETTLE_WINDOW
        arena.drain(seconds=120)

        report = check(arena, "worker process stopped past three leases")

    assert report.problems == []


@sizes(small=(300, 2), full=(6000, 10), names="jobs,restarts")
def test_rolling_restarts_repeat_nothing_and_use_up_no_attempt(seed: int, jobs: int, restarts: int) -> None:
    with Arena(seed) as arena:
        arena.start_workers(processes=2)
        arena.offer_meanwhile(jobs, {"ms": 20}, per_second=jobs // restarts // 2)
        for _ in range(restarts):
            old = arena.processes.supervisors.pop(0)
            arena.start_workers(processes=2)
            old.terminate()
            assert old.wait(60) == 0
        arena.drain(seconds=120)

        report = check(arena, "rolling restarts")
        effects = arena.ledger.effects()

    assert report.problems == []
    assert report.duplicates == 0
    assert {(effect.attempt, effect.delivery) for effect in effects} == {(1, 1)}
