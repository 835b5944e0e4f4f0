"""Cancelling: at once what waits, by a mark what runs, never what is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def test_ready_execution_is_cancelled_at_once(store: Store) -> None:
    store.publish("a")

    assert store.scripts.cancel(["a"], reason="not needed") == ["cancelled"]

    store.join("w")
    assert store.claim_ids() == []
    assert (store.status("a"), store.record("a").reason) == ("c", "not needed")


def test_delayed_execution_is_cancelled_at_once(store: Store) -> None:
    store.publish("a", delay_ms=60_000)

    assert store.scripts.cancel(["a"], reason="") == ["cancelled"]

    assert store.ids("delayed", "default") == []


def test_execution_that_waits_for_its_next_attempt_is_cancelled_at_once(store: Store) -> None:
    store.start("a")
    store.settle("a", "retry", delay_ms=60_000)

    assert store.scripts.cancel(["a"], reason="") == ["cancelled"]


def test_running_execution_is_asked_to_stop(store: Store) -> None:
    store.start("a")

    assert store.scripts.cancel(["a"], reason="") == ["asked"]

    assert store.status("a") == "r"
    assert store.executions.are_cancelled(["a"])[0]
    store.settle("a", "cancelled")
    assert not store.executions.are_cancelled(["a"])[0]


def test_execution_that_is_over_stays_as_it_is(store: Store) -> None:
    store.run("a")
    before = store.snapshot()

    assert store.scripts.cancel(["a"], reason="") == ["final"]
    assert store.snapshot() == before


def test_unknown_execution_is_said_to_be_unknown(store: Store) -> None:
    assert store.scripts.cancel(["a"], reason="") == ["unknown"]


def test_one_of_two_who_cancel_wins(store: Store) -> None:
    store.publish("a")

    answers = [store.scripts.cancel(["a"], reason=who)[0] for who in ("first", "second")]

    assert answers == ["cancelled", "final"]
    assert store.record("a").reason == "first"
    assert store.counters()["c"] == 1


def test_many_are_cancelled_in_one_call(store: Store) -> None:
    store.run("b")
    store.publish("a")
    store.publish("c")

    assert store.scripts.cancel(["a", "b", "nobody", "c", "c"], reason="") == [
        "cancelled",
        "final",
        "unknown",
        "cancelled",
        "final",
    ]
