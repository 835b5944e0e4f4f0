"""The server dies, forgets, fills up or refuses: what was accepted is run, what can't be taken is refused clearly."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes

from helperhub.errors import StoreRefused
from helperhub.supervise import embedded

#: What `appendfsync everysec` may lose when the server dies (Redis documentation, "Persistence").
EVERYSEC_S = 2.0


@sizes(small=(600, 1), full=(10_000, 5), names="jobs,kills")
def test_server_that_is_killed_loses_nothing_with_appendfsync_always(seed: int, jobs: int, kills: int) -> None:
    with Arena(seed, server=("--appendfsync", "always")) as arena:
        arena.start_workers(processes=2)
        arena.start_schedulers(2)
        arena.offer_meanwhile(jobs, {"ms": 5}, per_second=jobs // (2 * kills))
        Faults(arena).every(1.5, Faults(arena).kill_server, for_s=1.6 * kills)
        arena.drain(seconds=150)

        report = check(arena, "server killed, appendfsync always")

    assert report.problems == []
    assert report.lost == 0


@sizes(full=(10_000, 5), names="jobs,kills")
def test_server_that_is_killed_loses_at_most_two_seconds_with_appendfsync_everysec(
    seed: int, jobs: int, kills: int
) -> None:
    killed_at = []
    with Arena(seed, server=("--appendfsync", "everysec")) as arena:
        faults = Faults(arena)

        def kill() -> None:
            killed_at.append(time.monotonic())
            faults.kill_server()

        arena.start_workers(processes=2)
        arena.start_schedulers(2)
        arena.offer_meanwhile(jobs, {"ms": 5}, per_second=jobs // (2 * kills))
        faults.every(1.5, kill, for_s=1.6 * kills)
        arena.drain(seconds=150)
        # The promise ends there: what was accepted, or done, in the last 2 s may be forgotten.
        touched = {effect.id: effect.mono for effect in arena.ledger.effects()} | arena.ledger.accepted
        forgiven = {id_ for id_, at in touched.items() if any(0 <= kill - at <= EVERYSEC_S for kill in killed_at)}
        arena.lost_leases = len(forgiven)

        report = check(arena, "server killed, appendfsync everysec", forgiven=forgiven)

    assert report.problems == []


@sizes(small=2.0, full=20.0)
def test_server_that_comes_back_with_nothing_is_planned_for_again(seed: int, size: float) -> None:
    with Arena(seed, aof=False, scheduled="tick") as arena:
        arena.start_workers(processes=1)
        arena.start_schedulers(2)
        wait_for(lambda: len(arena.ledger.effects()) >= 2, "some are due")
        Faults(arena).kill_server()
        died_at = time.time()
        wait_for(lambda: any(effect.wall > died_at for effect in arena.ledger.effects()), "it goes on")
        time.sleep(size)
        arena.offer(50)
        arena.drain()

        effects = [effect for effect in arena.ledger.effects() if effect.wall > died_at]
        report = check(arena, "server back with nothing", due={effect.id for effect in effects if "@" in effect.id})

    planned = sorted(effect.id for effect in effects if "@" in effect.id)
    assert report.problems == []
    assert len(planned) == len(set(planned)) >= size - 1


@sizes(small=(400, 0.25, 3.0), full=(20_000, 1.0, 30.0), names="jobs,every_s,for_s")
def test_scripts_flushed_and_connections_cut_cost_nothing(seed: int, jobs: int, every_s: float, for_s: float) -> None:
    with Arena(seed) as arena:
        faults = Faults(arena)

        def disturb() -> None:
            faults.forget_scripts()
            faults.cut_connections()

        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        arena.offer_meanwhile(jobs, {"ms": 2}, per_second=int(jobs / for_s))
        faults.every(every_s, disturb, for_s=for_s)
        arena.drain(seconds=150)

        report = check(arena, "scripts flushed, connections cut")

    assert report.problems == []
    assert report.duplicates == 0


@sizes(small=100, full=5000)
def test_full_memory_refuses_what_is_new_and_settles_what_runs(seed: int, size: int) -> None:
    with Arena(seed) as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        arena.offer(size, {"ms": 20})
        faults.fill_memory()
        with pytest.raises(StoreRefused, match="memory"):
            arena.hub.enqueue("work")
        wait_for(lambda: arena.unfinished() == 0, "what was accepted ends without memory", seconds=120)
        faults.free_memory()
        arena.offer(size, {"ms": 1})
        arena.drain()

        report = check(arena, "memory full")

    assert report.problems == []
    assert report.duplicates == 0


@sizes(small=200, full=3000)
def test_full_disk_refuses_everything_and_loses_nothing(
    seed: int, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At the limit the kernel sends SIGXFSZ, which ends a server that nobody has told to ignore it.
    wrapper = tmp_path / "server"
    wrapper.write_text(f"#!/bin/sh\ntrap '' XFSZ\nexec '{embedded.find_binary()}' \"$@\"\n")
    wrapper.chmod(0o755)
    monkeypatch.setattr(embedded, "find_binary", lambda: wrapper)
    with Arena(seed) as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        arena.offer(size, {"ms": 20})
        faults.fill_disk()
        wait_for(lambda: is_refused(arena), "the server refuses to write")
        time.sleep(1.0)
        faults.free_disk()
        wait_for(lambda: not is_refused(arena), "the server takes writes again", seconds=60)
        arena.offer(size)
        arena.drain(seconds=120)

        report = check(arena, "disk full")

    assert report.problems == []
    assert report.duplicates == 0


def is_refused(arena: Arena) -> bool:
    """Return whether enqueueing fails, for the reason that is given."""
    id_ = arena.next_id()
    arena.ledger.offer([id_])
    try:
        arena.ledger.accept([arena.hub.enqueue("work", id=id_)])
    except StoreRefused as error:
        return "MISCONF" in error.message
    return False


@sizes(small=(400, 1.0), full=(5000, 10.0), names="jobs,readonly_s")
def test_server_that_is_readonly_for_a_while_loses_nothing(seed: int, jobs: int, readonly_s: float) -> None:
    with Arena(seed) as arena:
        faults = Faults(arena)
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        arena.offer_meanwhile(jobs, {"ms": 5}, per_second=jobs // 2)
        time.sleep(0.5)
        faults.make_readonly()
        time.sleep(readonly_s)
        faults.make_writable()
        arena.drain(seconds=100)

        report = check(arena, "read-only after a failover")

    # Nobody could renew a lease for five times its length, and nobody lost one.
    assert report.problems == []
    assert report.duplicates == 0
