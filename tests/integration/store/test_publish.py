"""Publishing: an execution comes in once, however often the call is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helperhub.store.record import Record
from helperhub.store.scripts import ID_TAKEN, Publication

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def test_published_execution_waits_and_is_counted(store: Store) -> None:
    code, id_ = store.publish("a")

    assert (code, id_) == (1, "a")
    assert store.status("a") == "q"
    assert store.ids("ready", "default") == ["a"]
    assert store.counters() == {"enqueued": 1}


def test_call_that_is_sent_again_changes_nothing(store: Store) -> None:
    store.publish("a", call="token")
    before = store.snapshot()

    again = store.publish("a", call="token")

    assert again == (0, "a")
    assert store.snapshot() == before


def test_call_that_is_sent_again_after_the_execution_ended_runs_nothing_twice(store: Store) -> None:
    store.run("a", call="token")

    again = store.publish("a", call="token")

    assert again == (0, "a")
    assert store.claim_ids() == []


def test_id_that_belongs_to_another_call_is_refused(store: Store) -> None:
    store.publish("a", call="first")
    before = store.snapshot()

    second = store.publish("a", call="second")

    assert second == (ID_TAKEN, "a")
    assert store.snapshot() == before


def test_keyed_execution_is_the_same_from_any_call(store: Store) -> None:
    store.publish("order-7", call="")

    again = store.publish("order-7", call="", priority=1)

    assert again == (0, "order-7")
    assert store.record("order-7").priority == 3


def test_full_queue_refuses_and_says_how_many_wait(store: Store) -> None:
    store.publish("a", bound=2)
    store.publish("b", bound=2, delay_ms=60_000)

    refused = store.publish("c", bound=2)

    assert refused == (-1, "2")
    assert store.client.exists(store.keys.record("c")) == 0
    assert store.counters() == {"enqueued": 2}


def test_bound_counts_what_the_same_call_brought_in(store: Store) -> None:
    entries = [Publication(id_, Record(helper="tidy", call=id_), bound=2) for id_ in "abc"]

    answers = store.scripts.publish(entries)

    assert answers == [(1, "a"), (1, "b"), (-1, "2")]


def test_bound_counts_whatever_waits_in_the_queue(store: Store) -> None:
    """Parked ones weren't counted, nor what waits to be run alone: a full queue took more."""
    store.publish("delayed", delay_ms=60_000)
    store.start("suspect")
    store.reap("w")
    store.publish("active", overlap="q")
    store.register()
    due = store.now_ms()
    store.plan(("@20260101T000000Z", due))
    assert store.promote("@20260101T000000Z", due, overlap="q") == 2

    assert store.publish("more", bound=4) == (-1, "4")
    assert store.publish("more", bound=5) == (1, "more")


def test_execution_already_there_is_answered_though_the_queue_is_full(store: Store) -> None:
    store.publish("a", bound=1)

    again = store.publish("a", bound=1)

    assert again == (0, "a")


def test_delayed_execution_waits_until_it_is_due(store: Store) -> None:
    store.publish("a", delay_ms=5_000)
    store.join("w")

    assert store.claim_ids() == []
    assert store.ids("delayed", "default") == ["3a"]
    assert 0 < store.record("a").due_ms - store.now_ms() <= 5_000

    store.advance(5_000)

    assert store.claim_ids() == ["a"]


def test_expiry_counts_from_the_due_time_of_a_delayed_execution(store: Store) -> None:
    store.publish("a", delay_ms=5_000, expires_ms=-1_000)

    record = store.record("a")

    assert record.expires_ms == record.due_ms + 1_000


def test_id_whose_record_is_damaged_is_left_to_its_call(store: Store) -> None:
    """A damaged record was taken for the same execution: the new one was never run, and nobody was told."""
    store.publish("a")
    store.damage("a")
    store.expected_strays = ("a", "count:default")

    assert store.publish("a", call="another") == (ID_TAKEN, "a")


def test_bell_rings_the_worker_that_asked_last(store: Store) -> None:
    store.join("old", "new")
    store.claim("old", will_wait=True)
    store.advance(10)
    store.claim("new", will_wait=True)

    store.publish("a")

    assert store.client.exists(store.key("bell", "new")) == 1
    assert store.client.exists(store.key("bell", "old")) == 0
    assert store.ids("idle", "default") == ["old"]


def test_bell_rings_when_a_delayed_execution_becomes_the_next(store: Store) -> None:
    store.publish("later", delay_ms=60_000)
    store.join("w")
    store.claim(will_wait=True)

    store.publish("sooner", delay_ms=30_000)

    assert store.client.exists(store.key("bell", "w")) == 1
