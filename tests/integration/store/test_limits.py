"""Limits on what runs at once, script by script: what may start, what waits, what lets it go on."""

from __future__ import annotations

import pytest
from tests.integration.store.conftest import HOUR_MS, Store
from tests.integration.store.limits import limit, publish

# -- how many at once


def test_no_more_than_its_limit_of_a_helper_is_in_hand_at_once(store: Store) -> None:
    limit(store, concurrency=2)
    store.join("w", "v")
    publish(store, "a", "b", "c", "d")

    assert store.claim_ids("w") == ["a", "b"]
    assert store.claim_ids("v") == []
    assert store.settle("a")
    assert store.claim_ids("v") == ["c"]


def test_instances_of_a_helper_share_its_limit(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w")
    publish(store, "a", helper="tidy/attic")
    publish(store, "b", helper="tidy/cellar")

    assert store.claim_ids() == ["a"]
    assert store.settle("a")
    assert store.claim_ids() == ["b"]


def test_other_helpers_pass_what_waits_for_a_limit(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w")
    publish(store, "a", "b", "c", priority=1)
    publish(store, "other", helper="sweep", priority=5)

    assert store.claim_ids() == ["a", "other"]


def test_the_most_urgent_of_a_limited_helper_goes_first_and_in_order_with_others(store: Store) -> None:
    limit(store, concurrency=3)
    store.join("w")
    publish(store, "late", priority=5)
    publish(store, "free", helper="sweep", priority=3)
    publish(store, "soon", priority=1)
    publish(store, "middle", priority=2)

    assert store.claim_ids(want=3) == ["soon", "middle", "free"]
    assert store.claim_ids() == ["late"]


@pytest.mark.parametrize("outcome", ["done", "dead", "retry", "expired", "cancelled", "interrupted", "returned"])
def test_any_outcome_frees_the_slot(store: Store, outcome: str) -> None:
    limit(store, concurrency=1)
    store.join("w")
    publish(store, "a")
    assert store.claim_ids() == ["a"]
    publish(store, "b")

    store.settle("a", outcome, delay_ms=HOUR_MS)

    assert "b" in store.claim_ids(want=1) or store.status("a") == "r"
    assert len(store.client.hgetall(store.key("using", "tidy"))) == 1


def test_a_worker_that_died_frees_its_slots(store: Store) -> None:
    limit(store, concurrency=2)
    store.join("w", "v")
    publish(store, "a", "b", "c")
    assert store.claim_ids("w") == ["a", "b"]

    store.reap("w", suspects=["a"])

    assert store.claim_ids("v", want=1) == ["a"]
    assert store.settle("a", worker="v")
    assert store.claim_ids("v", want=5) == ["b", "c"]


def test_a_suspect_waits_for_its_limit_while_others_go_on(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w", "v", "u")
    publish(store, "a", "b")
    assert store.claim_ids("w") == ["a"]
    store.reap("w", suspects=["a"])
    publish(store, "other", helper="sweep")
    assert store.claim_ids("v", want=1) == ["a"]
    store.join("w")
    store.publish("more", helper="sweep")

    assert set(store.claim_ids("w")) == {"other", "more"}
    assert store.settle("a", worker="v")
    assert store.claim_ids("u", want=1) == ["b"]


def test_a_limit_that_is_lowered_holds_for_what_runs_already(store: Store) -> None:
    store.join("w")
    publish(store, "a", "b", "c", "d")
    assert store.claim_ids(want=3) == ["a", "b", "c"]

    limit(store, concurrency=2)

    assert store.claim_ids() == []
    assert store.settle("a", claim=1)
    assert store.claim_ids() == []
    assert store.settle("b", claim=1)
    assert store.claim_ids() == ["d"]


def test_a_limit_that_is_raised_or_dropped_holds_for_what_waits_already(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w")
    publish(store, *"abcdef")
    assert store.claim_ids() == ["a"]

    limit(store, concurrency=3)
    assert store.claim_ids() == ["b", "c"]
    limit(store)
    assert store.claim_ids() == ["d", "e", "f"]

    for id_, number in zip("abcdef", (1, 2, 2, 3, 3, 3), strict=True):
        assert store.settle(id_, claim=number)
    limit(store)
    assert store.client.exists(store.key("rules")) == 0


def test_what_was_queued_before_the_limit_is_put_under_it_and_keeps_its_order(store: Store) -> None:
    store.join("w")
    publish(store, "a", "b", "c", "d")
    limit(store, concurrency=1)

    assert store.claim_ids() == ["a"]
    assert store.ids("ready", "default") == []
    for before, after in (("a", "b"), ("b", "c"), ("c", "d")):
        assert store.settle(before)
        assert store.claim_ids() == [after]


def test_delayed_work_comes_under_its_limit_when_it_is_due(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w")
    publish(store, "a", "b", delay_ms=1000)
    store.advance(1000)

    assert store.claim_ids() == ["a"]
    assert store.claim_ids() == []
    assert store.settle("a", claim=1)
    assert store.claim_ids() == ["b"]


def test_two_queues_share_a_helpers_limit(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w")
    publish(store, "a", "b", queue="low")
    publish(store, "c", queue="high")

    assert store.claim_ids("w", "high", "low") == ["c"]
    assert store.claim_ids("w", "high", "low") == []
    assert store.settle("c", claim=1)
    assert store.claim_ids("w", "low") == ["a"]


def test_a_freed_slot_rings_for_who_waits(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w", "v")
    publish(store, "a", "b")
    assert store.claim_ids("w") == ["a"]
    assert store.claim("v", will_wait=True).records == ()
    assert store.client.llen(store.key("bell", "v")) == 0

    store.settle("a")

    assert store.client.llen(store.key("bell", "v")) == 1
    assert [id_ for id_, _ in store.claim("v", waited=True).records] == ["b"]


def test_more_of_a_used_up_helper_rings_for_nobody(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w", "v")
    store.start("a")
    assert store.claim("v", will_wait=True).records == ()

    publish(store, "b")

    assert store.client.llen(store.key("bell", "v")) == 0


# -- keys


def test_each_key_has_a_limit_of_its_own(store: Store) -> None:
    limit(store, key="city", concurrency_per_key=1)
    store.join("w")
    publish(store, "b1", "b2", key="berlin")
    publish(store, "r1", "r2", key="rome")

    assert store.claim_ids() == ["b1", "r1"]
    assert store.settle("r1")
    assert store.claim_ids() == ["r2"]
    assert store.settle("b1", claim=1)
    assert store.claim_ids() == ["b2"]


def test_what_has_no_key_is_bound_by_the_helpers_limit_only(store: Store) -> None:
    limit(store, key="city", concurrency=3, concurrency_per_key=1)
    store.join("w")
    publish(store, "b1", "b2", key="berlin")
    store.advance(1)
    publish(store, "x", "y", "z")

    assert store.claim_ids() == ["b1", "x", "y"]


def test_a_key_whose_limit_is_raised_goes_on_at_once(store: Store) -> None:
    limit(store, key="city", concurrency_per_key=1)
    store.join("w")
    publish(store, "b1", "b2", "b3", key="berlin")
    assert store.claim_ids() == ["b1"]

    limit(store, key="city", concurrency_per_key=2)

    assert store.claim_ids() == ["b2"]
