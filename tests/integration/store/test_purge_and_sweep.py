"""Purging a queue, and sweeping expired executions out of queues that nobody serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helperhub.store.queues import Queues

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def sweep(store: Store, *, limit: int = 100) -> int:
    rank = expired = 0
    while rank >= 0:
        rank, found = store.scripts.sweep("default", start=rank, limit=limit)
        expired += found
    return expired


def test_purge_cancels_what_waits_and_leaves_what_runs(store: Store) -> None:
    store.start("running")
    store.publish("ready")
    store.publish("delayed", delay_ms=60_000)
    store.publish("elsewhere", queue="low")

    assert store.scripts.purge("default", limit=100, reason="purged") == 2

    assert [store.status(id_) for id_ in ("running", "ready", "delayed", "elsewhere")] == ["r", "c", "c", "q"]


def test_purge_never_touches_dead_letters(store: Store) -> None:
    store.run("a", "dead")

    store.scripts.purge("default", limit=100, reason="purged")

    assert store.ids("dead") == ["a"]
    assert store.status("a") == "e"


def test_purge_takes_no_more_than_its_limit(store: Store) -> None:
    for id_ in "abc":
        store.publish(id_)
    store.publish("d", delay_ms=60_000)

    purged = [store.scripts.purge("default", limit=2, reason="") for _ in range(3)]

    assert purged == [2, 2, 0]


def test_purge_takes_what_it_released_itself_as_well(store: Store) -> None:
    """The active execution was purged, the one that waited for it was released, and ran."""
    store.register()
    store.publish("active", overlap="q")
    due = store.now_ms()
    store.plan(("@1", due))
    assert store.promote("@1", due, overlap="q") == 2

    assert store.scripts.purge("default", limit=100, reason="purged") == 2

    assert store.status("tidy@1") == "c"


def test_parked_executions_dont_count_as_running(store: Store) -> None:
    """A queue was shown to run what only waited for its turn."""
    store.register()
    store.publish("active", overlap="q")
    due = store.now_ms()
    store.plan(("@1", due))
    store.promote("@1", due, overlap="q")

    (stats,) = Queues(store.client, store.keys).stats()

    assert (stats.ready, stats.running) == (1, 0)


def test_sweep_records_what_expired_in_a_queue_that_nobody_serves(store: Store) -> None:
    now = store.now_ms()
    for number in range(5):
        store.publish(f"late{number}", due_ms=now - 10_000, expires_ms=now - 1)
        store.publish(f"good{number}", due_ms=now - 10_000, expires_ms=now + 60_000)
    store.publish("never", due_ms=now - 10_000)

    assert sweep(store, limit=2) == 5

    assert store.status("late4") == "x"
    assert len(store.ids("ready", "default")) == 6


def test_sweep_finds_delayed_executions_too(store: Store) -> None:
    """Delayed ones are promoted by claims; where nobody claims they were never found to be expired."""
    store.publish("a", delay_ms=1_000, expires_ms=-1_000)
    store.advance(5_000)

    assert sweep(store) == 1

    assert store.status("a") == "x"


def test_sweep_leaves_what_started_once(store: Store) -> None:
    store.start("a", due_ms=store.now_ms(), expires_ms=store.now_ms() + 1_000)
    store.settle("a", "retry", started_ms=store.now_ms())
    store.advance(5_000)

    assert sweep(store) == 0
