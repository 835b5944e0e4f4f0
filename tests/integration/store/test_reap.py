"""Leases: what a lost worker process held is handed out again, and its late verdicts are stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helperhub.errors import StoreUnavailable
from helperhub.store.absence import GRACE_S, Absence
from helperhub.store.connection import build_client
from helperhub.store.queues import Queues
from helperhub.store.scripts import Gone, Scripts

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def test_work_of_a_dead_worker_is_handed_out_again_as_another_delivery(store: Store) -> None:
    store.start("a")

    assert store.reap("w") == [("w", 1)]

    store.join("next")
    assert store.claim_ids("next") == ["a"]
    record = store.record("a")
    assert (record.attempt, record.delivery, record.lost) == (1, 2, 1)


def test_worker_whose_lease_ended_is_reaped_by_anybody(store: Store) -> None:
    store.start("a")
    assert store.reap() == []

    store.advance(30_001)

    assert store.reap() == [("w", 1)]
    assert store.status("a") == "q"


def test_renewed_lease_keeps_the_work(store: Store) -> None:
    store.start("a")
    store.advance(20_000)

    assert store.scripts.renew(["w"], lease_ms=30_000) == []

    store.advance(20_000)
    assert store.reap() == []
    assert store.status("a") == "r"


def test_leases_that_ended_while_redis_was_away_are_left_to_their_keepers_for_a_moment(store: Store) -> None:
    """Whoever came back first ended the leases of worker processes that lived: all they did was done again."""
    clock = [0.0]
    absence = Absence(lambda: clock[0])
    away = build_client("unix:///nowhere.sock", retries=0)
    store.start("a")
    store.advance(30_001)

    with pytest.raises(StoreUnavailable):
        Scripts(away, store.keys, absence=absence).reap()

    found = Scripts(store.client, store.keys, absence=absence)
    clock[0] = GRACE_S - 0.1
    assert found.reap() == []
    assert store.status("a") == "r"
    clock[0] = GRACE_S
    assert [one.worker for one in found.reap()] == ["w"]


def test_worker_that_is_known_to_be_gone_is_reaped_at_once_whatever_was_away(store: Store) -> None:
    absence = Absence()
    absence.note()
    store.start("a")

    reaped = Scripts(store.client, store.keys, absence=absence).reap([Gone("w", "SIGKILL")])

    assert [(one.worker, one.handed_out) for one in reaped] == [("w", 1)]


def test_lease_of_a_reaped_worker_cant_be_renewed(store: Store) -> None:
    store.join("w")
    store.reap("w")

    assert store.scripts.renew(["w"], lease_ms=30_000) == ["w"]
    assert store.ids("workers") == []


def test_verdict_of_a_reaped_worker_is_stale(store: Store) -> None:
    store.start("a")
    store.reap("w")
    store.join("next")
    store.claim("next")

    assert not store.settle("a", claim=1)

    assert store.client.hgetall(store.key("held", "next")) == {b"a": b"1"}
    assert store.settle("a", worker="next", claim=1)


def test_worker_that_registers_again_cant_settle_what_it_lost(store: Store) -> None:
    store.start("a")
    store.reap("w")
    store.join("w")
    store.claim("w")

    assert not store.settle("a", claim=1)
    assert store.settle("a", claim=2)


def test_reaping_twice_hands_nothing_out_twice(store: Store) -> None:
    store.start("a")
    store.reap("w")
    before = store.snapshot()

    assert store.reap("w") == []
    assert store.snapshot() == before


def test_execution_that_somebody_cancelled_ends_with_its_worker(store: Store) -> None:
    store.start("a")
    store.scripts.cancel(["a"], reason="enough")

    store.reap("w")

    assert store.status("a") == "c"


def test_nothing_is_left_of_a_reaped_worker(store: Store) -> None:
    store.join("w")
    Queues(store.client, store.keys).pause("worker:w")
    store.claim("w", "default", will_wait=True)

    store.reap("w")

    # That it died is remembered, for alerts.
    names = [name for name in store.snapshot() if not name.endswith((b":rev", b":lost"))]
    assert names == []


def test_worker_that_waited_on_a_queue_it_took_up_later_is_rung_no_more(store: Store) -> None:
    store.join("w")
    store.claim("w", "default", "late", will_wait=True)
    store.scripts.join("w", lease_ms=30_000, about={"queues": "default,late"})

    store.reap("w")

    assert store.ids("idle", "late") == []
