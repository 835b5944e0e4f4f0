"""The network between everybody and the server drops, delays, resets or passes one way only."""

from __future__ import annotations

import time

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.proxy import Proxy
from tests.chaos.sizes import sizes

from helperhub.supervise.data_dir import DataDirectory


def through(arena: Arena, proxy: Proxy) -> None:
    """Have all processes that start from now on go through the proxy."""
    arena.processes.environ = {**arena.processes.environ, "HELPERHUB_REDIS_URL": proxy.url}


def proxy_of(arena: Arena) -> Proxy:
    """Return a proxy before the arena's server."""
    published = DataDirectory(arena.server.directory).published()
    assert published is not None
    return Proxy(published.socket)


@sizes(small=(300, 2.5, "drop"), full=(3000, 30.0, "drop"), names="jobs,for_s,mode")
def test_network_that_passes_nothing_for_a_while_loses_nothing(seed: int, jobs: int, for_s: float, mode: str) -> None:
    break_network(seed, jobs, for_s, mode)


@sizes(full=(3000, 30.0, "half-open"), names="jobs,for_s,mode")
def test_network_that_passes_one_way_for_a_while_loses_nothing(seed: int, jobs: int, for_s: float, mode: str) -> None:
    break_network(seed, jobs, for_s, mode)


def break_network(seed: int, jobs: int, for_s: float, mode: str) -> None:
    with Arena(seed) as arena, proxy_of(arena) as proxy:
        through(arena, proxy)
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        arena.offer(jobs, {"ms": 10})
        proxy.mode = mode
        # Longer than a lease: somebody else may have it, and nobody is told. What is in hand now may be repeated; later
        # the reaper may have taken it away already.
        arena.lost_leases = sum(found["running"] for found in arena.hub.workers.all()) + 2 * 20
        time.sleep(for_s)
        proxy.heal()
        arena.offer(jobs // 2)
        arena.drain(seconds=150)

        report = check(arena, f"network: {mode}")

    assert report.problems == []


@sizes(small=400, full=6000)
def test_replies_that_are_reset_again_and_again_cost_nothing(seed: int, size: int) -> None:
    with Arena(seed) as arena, proxy_of(arena) as proxy:
        through(arena, proxy)
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        proxy.mode = "reset"
        arena.offer(size, {"ms": 5})
        time.sleep(2)
        proxy.heal()
        arena.drain(seconds=150)

        report = check(arena, "network: every 50th reply reset")

    assert report.problems == []
    assert report.duplicates == 0
    assert proxy.resets > 0


@sizes(small=(60, 0.5, 2.0), full=(600, 3.0, 30.0), names="jobs,delay_s,for_s")
def test_replies_that_are_late_cost_nothing(seed: int, jobs: int, delay_s: float, for_s: float) -> None:
    with Arena(seed, settings={"HELPERHUB_WORKER__LEASE": "15s"}) as arena, proxy_of(arena) as proxy:
        through(arena, proxy)
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        proxy.delay_s = delay_s
        proxy.mode = "delay"
        arena.offer(jobs, {"ms": 5})
        time.sleep(for_s)
        proxy.heal()
        arena.drain(seconds=150)

        report = check(arena, "network: replies late")

    assert report.problems == []
    assert report.duplicates == 0
