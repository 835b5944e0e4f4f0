"""Claiming: the most urgent work, once, to workers that may have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helperhub.store.queues import Queues
from helperhub.store.record import Record, unpack_record
from helperhub.store.scripts import Publication

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

STEP_MS = 60_000


def test_claimed_execution_runs_under_the_workers_token(store: Store) -> None:
    store.start("a")

    record = store.record("a")

    assert (record.status, record.delivery) == ("r", 1)
    assert store.client.hgetall(store.key("held", "w")) == {b"a": b"1"}
    assert store.client.hgetall(store.key("held", "w")) == {b"a": b"1"}


def test_claim_answers_the_record_as_it_is_now(store: Store) -> None:
    store.publish("a", body=b"\x01\x00")
    store.join("w")

    ((id_, raw),) = store.claim().records

    assert id_ == "a"
    assert unpack_record(raw) == store.record("a")


def test_priority_1_is_claimed_before_priority_5_of_the_same_time(store: Store) -> None:
    now = store.now_ms()
    for priority in (5, 2, 4, 1, 3):
        store.publish(f"p{priority}", priority=priority, due_ms=now)
    store.join("w")

    assert store.claim_ids() == ["p1", "p2", "p3", "p4", "p5"]


def test_one_that_has_waited_four_steps_is_as_urgent_as_a_new_first_one(store: Store) -> None:
    now = store.now_ms()
    store.publish("old", priority=5, due_ms=now - 4 * STEP_MS - 1)
    store.publish("new", priority=1, due_ms=now)
    store.publish("younger", priority=5, due_ms=now - 4 * STEP_MS + 1)
    store.join("w")

    assert store.claim_ids() == ["old", "new", "younger"]


def test_several_workers_claim_in_one_order_and_5_waits_at_most_four_steps_longer_than_1(store: Store) -> None:
    now = store.now_ms()
    urgency = {}
    for minute in range(12):
        for priority in range(1, 6):
            due = now + (minute - 12) * STEP_MS + priority
            urgency[f"{priority}-{minute}"] = due + (priority - 1) * STEP_MS
            store.publish(f"{priority}-{minute}", priority=priority, due_ms=due)
    store.join("one", "two", "three")

    claimed: list[str] = []
    while found := store.claim_ids(("one", "two", "three")[len(claimed) % 3], want=1 + len(claimed) % 4):
        claimed += found

    assert claimed == sorted(urgency, key=urgency.__getitem__)
    for minute in range(7):
        place = claimed.index(f"5-{minute}")
        assert claimed.index(f"1-{minute + 4}") < place < claimed.index(f"1-{minute + 5}")


def test_delayed_execution_ages_from_its_due_time(store: Store) -> None:
    store.publish("delayed", priority=1, delay_ms=1_000)
    store.publish("ready", priority=1, due_ms=store.now_ms() + 900)
    store.advance(2_000)
    store.join("w")

    assert store.claim_ids() == ["ready", "delayed"]


def test_queues_are_emptied_in_the_order_they_are_named(store: Store) -> None:
    store.publish("low", queue="low", priority=1)
    store.publish("default", priority=5)
    store.publish("high", queue="high", priority=5)
    store.join("w")

    assert store.claim_ids("w", "high", "default", "low") == ["high", "default", "low"]


def test_worker_gets_no_more_than_it_wants(store: Store) -> None:
    for id_ in "abc":
        store.publish(id_)
    store.join("w")

    assert len(store.claim_ids(want=2)) == 2
    assert len(store.claim_ids(want=2)) == 1


def test_claim_whose_reply_was_lost_is_answered_again_not_made_again(store: Store) -> None:
    for id_ in "abc":
        store.publish(id_)
    store.join("w")
    first = store.claim(number=1, want=2)
    before = store.snapshot()

    again = store.claim(number=1, want=2)

    assert again.records == first.records
    assert store.snapshot() == before
    assert {store.record(id_).delivery for id_, _ in again.records} == {1}


def test_claim_answered_again_leaves_out_what_was_settled_meanwhile(store: Store) -> None:
    for id_ in "ab":
        store.publish(id_)
    store.join("w")
    store.claim(number=1)
    store.settle("a", claim=1)

    again = store.claim(number=1)

    assert [id_ for id_, _ in again.records] == ["b"]


def test_claim_answered_again_leaves_out_a_record_that_was_damaged_meanwhile(store: Store) -> None:
    """The answer held nothing where the record should be, and the worker's claiming thread ended."""
    for id_ in "ab":
        store.publish(id_)
    store.join("w")
    store.claim(number=1)
    store.client.delete(store.keys.record("a"))

    again = store.claim(number=1)

    assert [id_ for id_, _ in again.records] == ["b"]
    store.expected_strays = ("a: in", "count:default")


def test_worker_that_isnt_registered_gets_nothing(store: Store) -> None:
    store.publish("a")

    claimed = store.claim("stranger")

    assert not claimed.registered
    assert store.status("a") == "q"


def test_two_workers_never_get_the_same_execution(store: Store) -> None:
    for number in range(20):
        store.publish(f"e{number}")
    store.join("one", "two")

    ids = [id_ for _ in range(10) for worker in ("one", "two") for id_ in store.claim_ids(worker, want=1)]

    assert sorted(ids) == sorted(f"e{number}" for number in range(20))


def test_execution_past_its_expiry_is_recorded_and_never_handed_out(store: Store) -> None:
    now = store.now_ms()
    store.publish("late", due_ms=now - 10_000, expires_ms=now - 1)
    store.publish("good", due_ms=now, expires_ms=now + 60_000)
    store.join("w")

    assert store.claim_ids() == ["good"]

    late = store.record("late")
    assert (late.status, late.delivery, late.started_ms) == ("x", 0, 0)
    assert late.reason == "not started before its expiry"


def test_expired_ones_dont_use_up_what_the_worker_wants(store: Store) -> None:
    now = store.now_ms()
    for number in range(5):
        store.publish(f"late{number}", due_ms=now - 10_000, expires_ms=now - 1)
    store.publish("good", due_ms=now)
    store.join("w")

    assert store.claim_ids(want=1) == ["good"]


def test_execution_that_started_once_doesnt_expire_any_more(store: Store) -> None:
    now = store.now_ms()
    store.start("a", due_ms=now, expires_ms=now + 5_000)
    store.settle("a", "retry", started_ms=now, delay_ms=60_000)
    store.advance(70_000)

    assert store.claim_ids() == ["a"]


def test_execution_that_died_with_its_worker_doesnt_expire_any_more(store: Store) -> None:
    """It was said to be "not started before its expiry", though a worker process had died running it."""
    now = store.now_ms()
    store.start("a", due_ms=now, expires_ms=now + 5_000)
    store.reap("w")
    store.advance(10_000)
    store.join("next")

    assert store.claim_ids("next") == ["a"]


def test_nothing_is_claimed_from_a_paused_queue(store: Store) -> None:
    store.publish("a")
    store.join("w")
    Queues(store.client, store.keys).pause("default")

    assert store.claim_ids() == []

    Queues(store.client, store.keys).resume("default")

    assert store.claim_ids() == ["a"]


def test_suspended_worker_claims_nothing_and_others_do(store: Store) -> None:
    store.publish("a")
    store.join("w", "other")
    Queues(store.client, store.keys).pause("worker:w")

    assert store.claim_ids("w") == []
    assert store.claim_ids("other") == ["a"]


def test_workers_are_rung_when_what_they_wait_for_is_resumed(store: Store) -> None:
    """Work that had waited in a paused queue waited for up to two seconds more."""
    queues = Queues(store.client, store.keys)
    store.join("w")
    queues.pause("default")
    store.claim("w", will_wait=True)

    assert queues.resume("default")

    assert store.client.exists(store.key("bell", "w")) == 1
    assert not queues.resume("default")


def test_suspended_worker_takes_no_bell_from_others(store: Store) -> None:
    """A suspended worker, having asked last, was rung for all new work: others saw it two seconds later."""
    store.join("w", "suspended")
    Queues(store.client, store.keys).pause("worker:suspended")
    store.claim("w", will_wait=True)
    store.advance(10)
    store.claim("suspended", will_wait=True)

    store.publish("a")

    assert store.client.exists(store.key("bell", "w")) == 1


def test_answer_tells_when_the_next_delayed_execution_is_due(store: Store) -> None:
    due = store.now_ms() + 7_000
    store.publish("a", queue="low", due_ms=due + 5_000)
    store.publish("b", due_ms=due)
    store.join("w")

    assert store.claim("w", "default", "low").next_due_ms == due


def test_worker_that_waited_is_no_longer_rung_once_it_claimed(store: Store) -> None:
    store.join("w")
    store.claim("w", "default", "low", will_wait=True)
    store.publish("a")

    store.claim("w", "default", "low", waited=True)

    assert store.ids("idle", "low") == []


@pytest.mark.parametrize("count", [1, 2_500])
def test_due_executions_are_promoted_however_many(store: Store, count: int) -> None:
    due = store.now_ms() + 1_000
    entries = [Publication(f"e{number}", Record(helper="tidy", due_ms=due)) for number in range(count)]
    store.scripts.publish(entries)
    store.advance(2_000)
    store.join("w")

    claimed = [id_ for _ in range(5) for id_ in store.claim_ids(want=1_000)]

    assert len(set(claimed)) == len(claimed) == count
