"""Rates, pauses, limits of queues and of the hub, script by script; and who else looks at what waits."""

from __future__ import annotations

import pytest
from tests.integration.store.conftest import HOUR_MS, Store
from tests.integration.store.limits import limit, publish, rate

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
    busy = store.scripts.claim("w", ["default"], number=51, want=4, will_wait=True, waited=False, free=0)
    assert (busy.records, busy.next_due_ms - busy.now_ms) == ((), 10)
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


# -- what it costs


def commands_of_a_claim(store: Store, number: int) -> int:
    """Return how many commands a claim of one execution runs, those inside its script too."""

    def calls() -> int:
        return sum(row["calls"] for row in store.client.info("commandstats").values())

    publish(store, f"other-{number}", helper="sweep")
    before = calls()
    claimed = store.claim("w", want=4)
    after = calls()
    assert [id_ for id_, _ in claimed.records] == [f"other-{number}"]
    assert store.settle(f"other-{number}")
    return after - before


@pytest.mark.parametrize("way", ["slot", "rate", "pause", "keys"])
def test_what_waits_costs_a_claim_the_same_however_much_it_is(store: Store, way: str) -> None:
    per_key = way == "keys"
    if per_key:
        limit(store, key="user", rate_per_key=rate(1, 3600))
    else:
        limit(store, concurrency=1 if way == "slot" else None, rate=rate(1, 3600), paused=way == "pause")
    store.join("w", "v")
    publish(store, *(f"first-{i}" for i in range(3)), key="user")
    store.claim("v", want=3)

    publish(store, *(f"few-{i}" for i in range(3)), key="user")
    few = commands_of_a_claim(store, 1)
    for i in range(600):
        store.publish(f"many-{i}", key=f"user-{i % 300}" if per_key else "user")
    store.claim("v", want=600)
    many = [commands_of_a_claim(store, 2), commands_of_a_claim(store, 3)]

    waiting = int(store.client.hget(store.key("count", "default"), "limited"))
    assert waiting >= 300
    # The clock is written where it has moved on since the last script.
    assert max(many) <= few + 1
