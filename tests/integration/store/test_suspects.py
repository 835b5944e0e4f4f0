"""Poison: what died with its process is run alone, and given up when it kills another one there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def test_suspect_is_all_that_its_next_worker_holds(store: Store) -> None:
    store.start("bad")
    store.publish("good")
    store.reap("w", cause="SIGSEGV")
    store.join("next")

    assert store.claim_ids("next") == ["bad"]
    assert store.claim_ids("next") == []

    assert store.settle("bad", worker="next", claim=1)
    assert store.claim_ids("next") == ["good"]


def test_second_death_alone_gives_the_suspect_up_and_names_the_signal(store: Store) -> None:
    store.start("bad")
    store.reap("w", cause="SIGSEGV")
    for worker in ("w2", "w3"):
        store.join(worker)
        assert store.claim_ids(worker) == ["bad"]
        store.reap(worker, cause="SIGSEGV")

    record = store.record("bad")
    assert (record.status, record.delivery) == ("e", 3)
    assert record.reason == "worker_lost: SIGSEGV, 2 times while it ran alone"
    assert store.ids("dead") == ["bad"]
    assert [orjson.loads(raw)["t"] for raw in record.errors] == ["WorkerLost"] * 3
    assert orjson.loads(record.errors[-1])["m"] == "SIGSEGV"


def test_only_what_had_started_is_suspected(store: Store) -> None:
    for id_ in ("started", "read ahead"):
        store.publish(id_)
    store.join("w")
    store.claim()

    store.reap("w", suspects=["started"])

    assert store.ids("suspects", "default") == ["started"]
    assert store.ids("ready", "default") == ["read ahead"]


def test_worker_that_was_ended_on_purpose_leaves_no_suspects(store: Store) -> None:
    store.start("a")

    store.reap("w", suspects=[], cause="it stopped")

    assert store.ids("ready", "default") == ["a"]
    assert store.record("a").errors == []


def test_neighbours_of_poison_are_cleared_by_one_run_alone(store: Store) -> None:
    for id_ in ("a", "b"):
        store.publish(id_)
    store.join("w")
    store.claim()
    store.reap("w")
    store.join("next")

    for id_ in ("a", "b"):
        assert store.claim_ids("next") == [id_]
        assert store.settle(id_, "retry", worker="next")
        assert store.record(id_).lost == 0

    assert store.ids("suspects", "default") == []
    assert sorted(store.claim_ids("next")) == ["a", "b"]


def test_execution_that_went_back_unstarted_stays_a_suspect(store: Store) -> None:
    store.start("a")
    store.reap("w")
    store.join("next")
    store.claim("next")

    store.settle("a", "returned", worker="next", delay_ms=1000)
    store.advance(1001)

    store.publish("good")
    assert store.claim_ids("next") == ["good"]
    assert store.ids("suspects", "default") == ["a"]


def test_one_busy_worker_at_a_time_empties_its_hands_for_a_suspect(store: Store) -> None:
    store.start("suspect")
    for worker in ("a", "b"):
        store.publish(f"of {worker}")
        store.join(worker)
        store.claim(worker)
    store.reap("w")
    store.publish("more")

    first = store.claim("a", want=1)
    second = store.claim("b", want=1)

    assert (first.records, first.next_due_ms > 0) == ((), True)
    assert [id_ for id_, _ in second.records] == ["more"]
    assert store.settle("of a", worker="a", claim=1)
    assert store.claim_ids("a") == ["suspect"]


def test_idle_worker_takes_the_suspect_before_the_draining_one(store: Store) -> None:
    store.start("suspect")
    store.publish("of a")
    store.join("a")
    store.claim("a")
    store.reap("w")
    assert store.claim_ids("a") == []

    store.join("idle")
    assert store.claim_ids("idle") == ["suspect"]

    store.publish("more")
    assert store.claim_ids("a") == ["more"]


def test_suspect_of_a_paused_queue_waits(store: Store) -> None:
    store.start("suspect")
    store.publish("other", queue="low")
    store.reap("w")
    store.client.sadd(store.key("paused"), "default")
    store.join("next")

    assert store.claim_ids("next", "default", "low") == ["other"]
    store.client.srem(store.key("paused"), "default")


@pytest.mark.parametrize("how", ["cancel", "purge"])
def test_waiting_suspect_can_be_cancelled_and_purged(store: Store, how: str) -> None:
    store.start("a")
    store.reap("w")

    if how == "cancel":
        assert store.scripts.cancel(["a"], reason="enough") == ["cancelled"]
    else:
        assert store.scripts.purge("default", limit=10, reason="purged") == 1

    assert store.status("a") == "c"
    assert store.ids("suspects", "default") == []


def test_claim_of_a_suspect_whose_reply_was_lost_is_answered_again(store: Store) -> None:
    store.start("a")
    store.reap("w")
    store.join("next")

    first = store.claim("next", number=1)
    again = store.claim("next", number=1)

    assert [id_ for id_, _ in first.records] == ["a"]
    assert again.records == first.records


def test_execution_whose_process_was_killed_for_it_is_retried_then_given_up(store: Store) -> None:
    store.start("slow", max_attempts=2)
    why = "ran past its hard time limit: its process was killed"

    assert store.settle("slow", "overrun", reason=why)

    record = store.record("slow")
    assert (record.status, record.attempt, record.reason) == ("q", 2, why)
    assert record.due_ms - store.now_ms() > 14_000
    store.advance(15_001)
    assert store.claim_ids() == ["slow"]
    assert store.settle("slow", "overrun", reason=why)
    record = store.record("slow")
    assert (record.status, len(record.errors)) == ("e", 2)
    assert orjson.loads(record.errors[0])["t"] == "HardTimeLimitExceeded"


def test_cancelled_execution_whose_process_was_killed_for_it_ends_cancelled(store: Store) -> None:
    store.start("slow", max_attempts=5)
    store.scripts.cancel(["slow"], reason="enough")

    assert store.settle("slow", "overrun", reason="killed")

    assert store.status("slow") == "c"
