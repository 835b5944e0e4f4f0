"""Much at once: backlogs, due times and dead letters by the hundred thousand, and work that never ends in time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes
from tests.integration.store.conftest import Store

from helperhub.model.instant import to_stamp
from helperhub.store.record import Record
from helperhub.store.scripts import Publication, Settlement
from helperhub.testing.server import ServerForTests

#: A claim while there is very much of everything.
P99_MS = 20.0


@contextmanager
def watched_store() -> Iterator[Store]:
    """A store on a server of its own, on which nobody may have used KEYS."""
    with ServerForTests() as server:
        store = Store(server.url, "load")
        store.join("w", lease_ms=3_600_000)
        yield store
        assert "cmdstat_keys" not in store.client.info("commandstats")
        store.client.close()


def publish(store: Store, count: int, *, delay_ms: int = 0, settle: str = "") -> None:
    """Enqueue very many, and end them if told how."""
    record = Record(helper="tidy", body=b"\x01\x00" + b"x" * 200)
    numbers = iter(range(count))
    while chunk := [f"job-{number}" for number in itertools.islice(numbers, 500)]:
        store.scripts.publish([Publication(id_, replace(record), delay_ms=delay_ms) for id_ in chunk])
        if settle:
            claimed = store.claim(want=500)
            claim = store._numbers["w"]
            store.scripts.settle("w", [Settlement(id_, claim, settle, error=b"{}") for id_, _ in claimed.records])


def time_claims(store: Store, times: int) -> list[float]:
    """Claim and settle a few at a time, as a worker process does; return how long each claim took, ms."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        claimed = store.claim(want=8)
        took.append((time.perf_counter() - start) * 1000)
        claim = store._numbers["w"]
        store.scripts.settle("w", [Settlement(id_, claim, "done") for id_, _ in claimed.records])
    return sorted(took)


def backlog(store: Store, count: int) -> None:
    publish(store, count)


def due_in_one_second(store: Store, count: int) -> None:
    publish(store, count, delay_ms=60_000)
    store.advance(61_000)


def dead_letters(store: Store, count: int) -> None:
    publish(store, count, settle="dead")
    record = Record(helper="tidy")
    store.scripts.publish([Publication(f"late-{number}", replace(record)) for number in range(400)])


@pytest.mark.parametrize("fill", [backlog, due_in_one_second, dead_letters])
@sizes(small=5_000, full=100_000)
def test_claims_stay_quick_while_there_is_very_much(size: int, fill: Callable[[Store, int], None]) -> None:
    with watched_store() as store:
        fill(store, size)

        took = time_claims(store, 300)

        assert store.counters()["enqueued"] >= size

    print(f"{fill.__name__}: {size} there, claim p50 {took[150]:.2f} ms, p99 {took[-3]:.2f} ms")  # noqa: T201 - a scenario prints its report
    assert took[-3] < P99_MS


@sizes(small=2_000, full=20_000)
def test_memory_is_flat_when_as_much_ends_as_begins(size: int) -> None:
    with watched_store() as store:

        def round_trip() -> int:
            publish(store, size, settle="done")
            while store.scripts.trim("default", "s", keep_ms=-1_000, limit=500, bound_bytes=0, held=True):
                pass
            store.client.execute_command("MEMORY", "PURGE")
            used: int = store.client.info("memory")["used_memory_dataset"]
            return used

        round_trip()  # the allocator's share of the first is smaller
        first = round_trip()
        later = [round_trip() for _ in range(4)]

    assert max(later) < first + 200_000


@sizes(full=20.0)
def test_execution_longer_than_its_interval_is_skipped_over_and_recorded(seed: int, size: float) -> None:
    with Arena(seed, scheduled="slow") as arena:
        arena.start_workers(processes=1)
        arena.start_schedulers(2)
        wait_for(arena.ledger.effects, "the first is due")
        time.sleep(size)
        arena.drain()

        found: list[Any] = [one for one in arena.hub.records.finished() if one.helper == "slow"]
        report = check(
            arena, "execution longer than its interval", due={one.id for one in found}, ends=("success", "skipped")
        )
        effects = arena.ledger.effects()

    times = sorted(int(one.planned_at.timestamp()) for one in found)
    assert report.problems == []
    # Each second has its record: run, or skipped with what blocked it.
    assert times == list(range(times[0], times[0] + len(times)))
    assert all("blocked by slow@" in one.reason for one in found if one.status.value == "skipped"), to_stamp(
        found[0].planned_at
    )
    # Never two at once: 2.5 s lie between the starts.
    assert all(after.mono - before.mono > 2.4 for before, after in itertools.pairwise(effects))
