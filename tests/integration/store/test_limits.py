"""Limits, script by script: what may start, what waits, and what lets it go on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.integration.store.conftest import HOUR_MS, Store

from helperhub.model.limits import HeldLimits, Limits, Rate
from helperhub.store.rules import pack_limits


def limit(store: Store, helper: str = "tidy", *, paused: bool = False, **limits: object) -> None:
    """Let these limits hold for a helper."""
    held = HeldLimits(Limits(**limits), paused)  # type: ignore[arg-type]
    store.scripts.set_rules({f"helper:{helper}": pack_limits(held) if held else ""})


def rate(starts: int, seconds: float) -> Rate:
    return Rate(starts, timedelta(seconds=seconds))


def publish(store: Store, *ids: str, **places: Any) -> None:
    for id_ in ids:
        assert store.publish(id_, **places) == (1, id_)


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

    assert store.claim_ids("w") == ["other", "more"]
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


# -- rates


def test_no_window_of_a_rate_has_more_starts(store: Store) -> None:
    limit(store, rate=rate(3, 10))
    store.join("w")
    publish(store, *"abcdef")

    assert store.claim_ids(want=1) == ["a"]
    store.advance(6_000)
    assert store.claim_ids() == ["b", "c"]
    store.advance(3_000)
    assert store.claim_ids() == []
    store.advance(1_100)
    assert store.claim_ids() == ["d"]
    store.advance(5_000)
    assert store.claim_ids() == []
    store.advance(1_000)
    assert store.claim_ids() == ["e", "f"]


def test_a_claim_is_told_when_a_rate_lets_the_next_start(store: Store) -> None:
    limit(store, rate=rate(1, 10))
    store.join("w")
    publish(store, "a", "b")
    assert store.claim_ids() == ["a"]

    claimed = store.claim()

    assert claimed.records == ()
    assert 9_900 < claimed.next_due_ms - claimed.now_ms <= 10_020


def test_each_key_has_a_rate_of_its_own(store: Store) -> None:
    limit(store, key="city", rate_per_key=rate(1, 10))
    store.join("w")
    publish(store, "b1", "b2", key="berlin")
    publish(store, "r1", "r2", key="rome")

    assert store.claim_ids() == ["b1", "r1"]
    assert store.claim_ids() == []
    store.advance(10_100)
    assert store.claim_ids() == ["b2", "r2"]


def test_a_retry_is_a_start(store: Store) -> None:
    limit(store, rate=rate(1, 10))
    store.join("w")
    publish(store, "a")
    assert store.claim_ids() == ["a"]

    store.settle("a", "retry", delay_ms=1)
    store.advance(5)

    assert store.claim_ids() == []
    store.advance(10_100)
    assert store.claim_ids() == ["a"]


def test_what_has_a_rate_is_only_given_to_a_free_thread(store: Store) -> None:
    limit(store, rate=rate(5, 10))
    store.join("w")
    publish(store, *"abcd")

    first = store.scripts.claim("w", ["default"], number=50, want=4, will_wait=False, waited=False, free=1)

    assert [id_ for id_, _ in first.records] == ["a"]
    assert store.claim_ids() == ["b", "c", "d"]


# -- pauses


def test_nothing_of_a_paused_helper_starts_until_it_is_resumed(store: Store) -> None:
    limit(store, paused=True)
    store.join("w")
    publish(store, "a", "b")
    publish(store, "other", helper="sweep")
    assert store.claim_ids() == ["other"]

    limit(store)

    assert store.claim_ids() == ["a", "b"]


def test_what_waits_for_a_paused_helper_expires(store: Store) -> None:
    limit(store, paused=True)
    publish(store, "a", expires_ms=-1000)
    publish(store, "b")
    store.advance(1_001)

    assert store.scripts.sweep("default", start=0, limit=100) == (-1, 1)

    assert (store.status("a"), store.status("b")) == ("x", "q")


# -- queues and the hub


def test_no_more_than_its_limit_of_a_queue_is_in_hand_at_once(store: Store) -> None:
    store.scripts.set_rules({"queue:default": "2 priority"})
    store.join("w", "v")
    publish(store, "a", "b", "c")
    publish(store, "low", queue="low")

    assert store.claim_ids("w") == ["a", "b"]
    assert store.claim_ids("v", "default", "low") == ["low"]
    assert store.claim("v", will_wait=True).records == ()
    assert store.settle("a")
    assert store.client.llen(store.key("bell", "v")) == 1
    assert store.claim_ids("v") == ["c"]


def test_no_more_than_its_limit_of_the_hub_is_in_hand_at_once(store: Store) -> None:
    store.scripts.set_rules({"all": "2"})
    store.join("w", "v")
    publish(store, "a")
    publish(store, "b", "c", queue="low")

    assert store.claim_ids("w", "default", "low") == ["a", "b"]
    assert store.claim("v", "low", will_wait=True).records == ()
    assert store.settle("a")
    assert store.client.llen(store.key("bell", "v")) == 1
    assert store.claim_ids("v", "low") == ["c"]


def test_a_queue_by_deadline_hands_out_what_expires_first(store: Store) -> None:
    store.scripts.set_rules({"queue:default": "0 deadline"})
    store.join("w")
    publish(store, "never", priority=1)
    publish(store, "later", expires_ms=-HOUR_MS, priority=1)
    publish(store, "soon", expires_ms=-60_000, priority=5)
    publish(store, "between", expires_ms=-90_000, delay_ms=1)
    store.advance(1)

    assert store.claim_ids() == ["soon", "between", "later", "never"]


# -- what else looks at what waits


def test_cancelled_work_leaves_its_limit(store: Store) -> None:
    limit(store, key="city", concurrency=1, concurrency_per_key=1)
    store.join("w")
    publish(store, "a", "b", "c", key="berlin")
    assert store.claim_ids() == ["a"]

    assert store.scripts.cancel(["b"], reason="") == ["cancelled"]

    assert store.settle("a")
    assert store.claim_ids() == ["c"]


def test_purge_takes_what_waits_under_limits(store: Store) -> None:
    limit(store, key="city", concurrency_per_key=1)
    store.join("w")
    publish(store, "a", "b", "c", key="berlin")
    publish(store, "d", "e", key="rome")
    assert store.claim_ids(want=1) == ["a"]

    assert store.scripts.purge("default", limit=3, reason="") == 3
    assert store.scripts.purge("default", limit=3, reason="") == 1


def test_bound_of_a_queue_counts_what_waits_under_limits(store: Store) -> None:
    limit(store, paused=True)
    publish(store, "a", "b")

    assert store.publish("c", bound=2) == (-1, "2")
    assert store.publish("c", bound=3) == (1, "c")


def test_expired_work_under_a_limit_is_never_handed_out(store: Store) -> None:
    limit(store, concurrency=5)
    store.join("w")
    publish(store, "a", expires_ms=-1000)
    publish(store, "b")
    store.advance(2000)

    assert store.claim_ids() == ["b"]
    assert store.status("a") == "x"


def test_a_slot_that_nobody_holds_is_freed(store: Store) -> None:
    limit(store, key="city", concurrency=1, concurrency_per_key=1)
    store.scripts.set_rules({"all": "1"})
    store.join("w")
    publish(store, "a", key="berlin")
    store.client.hset(store.key("using", "tidy"), "ghost", "berlin")
    store.client.hset(store.key("perkey", "tidy"), "berlin", 1)
    store.client.hset(store.key("inhand"), "ghost", "default")
    store.client.hset(store.key("perqueue"), "default", 1)
    publish(store, "b", key="berlin")
    assert store.claim_ids() == []

    assert store.scripts.mend() == 2

    assert store.claim_ids() == ["a"]


def test_damaged_work_frees_its_slot(store: Store) -> None:
    limit(store, concurrency=1)
    store.join("w")
    publish(store, "a", "b")
    assert store.claim_ids() == ["a"]
    store.damage("a")
    store.expected_strays = ("x:a", "a:", "count:")

    store.settle("a")

    assert store.claim_ids() == ["b"]
