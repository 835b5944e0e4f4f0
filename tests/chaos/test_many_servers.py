"""Several servers under one hub: one of them dies while worker processes die too."""

from __future__ import annotations

import time

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes

from helperhub.errors import StoreError
from helperhub.testing import ClusterForTests, SentinelForTests

#: Replication is asynchronous: what happened so shortly before its end a primary may have kept for itself.
LAG_S = 1.0
KILLED = ("success", "error")
SHARDS = {"HELPERHUB_SHARDS": "3", "HELPERHUB_QUEUES__GREEN__SHARD": "1", "HELPERHUB_QUEUES__BLUE__SHARD": "2"}
HELPERS = {"work": "default", "green": "green", "blue": "blue"}


@sizes(small=(300, 1), full=(6000, 3), names="jobs,failovers")
def test_failover_under_sentinel_while_workers_die_loses_nothing_that_was_accepted(
    seed: int, jobs: int, failovers: int
) -> None:
    servers = SentinelForTests()
    failed_at = []
    # An execution counts as accepted once the replica has it.
    with Arena(seed, servers=servers, settings={"HELPERHUB_REPLICAS": "1"}) as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(2)
        arena.offer_meanwhile(jobs, {"ms": 5}, per_second=jobs // (2 * failovers))
        for _ in range(failovers):
            time.sleep(0.5)
            faults.kill_a_worker()
            failed_at.append(time.monotonic())
            servers.fail_over()
            servers.restore()
            before = len(arena.ledger.effects())
            wait_for(lambda before=before: len(arena.ledger.effects()) > before, "work goes on")  # type: ignore[misc]
        arena.drain(seconds=120)

        effects = arena.ledger.effects()
        set_back = {effect.id for effect in effects if any(0 <= at - effect.mono <= LAG_S for at in failed_at)}
        report = check(arena, "failover under Sentinel", ends=KILLED, set_back=set_back)

    assert report.problems == []
    assert report.lost == 0


@sizes(small=(100, 1, 1.0), full=(3000, 4, 5.0), names="jobs,kills,down_s")
def test_shard_whose_primary_is_killed_stops_alone_and_loses_nothing(
    seed: int, jobs: int, kills: int, down_s: float
) -> None:
    cluster = ClusterForTests(arguments=("--appendfsync", "always"))
    ran_meanwhile = []
    with Arena(seed, servers=cluster, settings=SHARDS, helpers="green blue") as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(2)
        for helper, queue in HELPERS.items():
            rate = int(jobs / (kills * (down_s + 5)))  # until the last of them is back
            arena.offer_meanwhile(jobs, {"ms": 5}, per_second=rate, helper=helper, queue=queue)
        for _ in range(kills):
            time.sleep(0.5)
            shard = arena.chance.randrange(3)
            node = cluster.node_of(arena.hub.scripts.each[shard].keys.prefix)
            node.kill()
            died_at = time.monotonic()
            time.sleep(down_s / 2)
            if shard:  # what starts anew asks shard 0 for the catalogue
                faults.kill_a_worker()
            time.sleep(down_s / 2)
            ran_meanwhile.append({e.helper for e in arena.ledger.effects() if e.mono > died_at + 0.1})
            node.start()
            # One that couldn't start while shard 0 was down is tried again later and later.
            wait_for(lambda: all_are_registered(arena, 2), "both worker processes are back", seconds=60)
        arena.drain(seconds=120)

        report = check(arena, "a shard's primary killed", ends=KILLED)

    assert report.problems == []
    assert all(len(helpers) >= 2 for helpers in ran_meanwhile)


def all_are_registered(arena: Arena, processes: int) -> bool:
    """Return whether so many worker processes live, and all of them have begun to claim."""
    alive = set(arena.processes.worker_pids())
    try:
        return len(alive) == processes and alive <= {worker["pid"] for worker in arena.hub.workers.all()}
    except StoreError:
        return False
