"""Unique keys: of a helper's executions with one key there is one, and the key is free again when that is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from helperhub.store.record import Record
from helperhub.store.scripts import ID_TAKEN, KEY_HELD, Publication

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def run_to_its_end(store: Store, outcome: str = "done") -> None:
    store.join("w")
    store.claim()
    assert store.settle("a", outcome)


def claim_after_its_expiry(store: Store) -> None:
    store.join("w")
    store.advance(5_001)
    store.claim()


def sweep_after_its_expiry(store: Store) -> None:
    store.advance(5_001)
    store.scripts.sweep("default", start=0, limit=9)


#: What ends an execution that has the key, each in its own script.
ENDS: dict[str, Callable[[Store], object]] = {
    "done": run_to_its_end,
    "dead": lambda store: run_to_its_end(store, "dead"),
    "cancel": lambda store: store.scripts.cancel(["a"], reason=""),
    "purge": lambda store: store.scripts.purge("default", limit=9, reason=""),
    "sweep": sweep_after_its_expiry,
    "expiry": claim_after_its_expiry,
}


def keyed(
    store: Store, id_: str, key: str = "customer-7", *, for_ms: int = 0, bound: int = 0, **places: object
) -> object:
    record = Record(**{"helper": "tidy", "max_attempts": 3, "call": f"call-{id_}", "unique": key, **places})  # type: ignore[arg-type]
    return store.scripts.publish([Publication(id_, record, unique_for_ms=for_ms, bound=bound)])[0]


def places_held(store: Store) -> int:
    return len(list(store.client.scan_iter(match=f"{store.keys.prefix}:unique:*")))


def test_second_execution_with_the_key_is_not_enqueued_and_the_first_is_answered(store: Store) -> None:
    keyed(store, "a")

    assert keyed(store, "b") == (KEY_HELD, "a")
    assert store.client.exists(store.keys.record("b")) == 0
    assert store.counters() == {"enqueued": 1}


def test_key_holds_for_one_helper_and_one_text(store: Store) -> None:
    keyed(store, "a")

    assert keyed(store, "b", helper="other") == (1, "b")
    assert keyed(store, "c", helper="tidy/attic") == (1, "c")
    assert keyed(store, "d", key="customer-8") == (1, "d")
    assert keyed(store, "e", key="") == (1, "e")


def test_executions_of_one_call_share_the_key_as_well(store: Store) -> None:
    entries = [Publication(id_, Record(helper="tidy", call=id_, unique="k")) for id_ in "abc"]

    assert store.scripts.publish(entries) == [(1, "a"), (KEY_HELD, "a"), (KEY_HELD, "a")]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_key_is_free_once_its_execution_is_over(store: Store, end: Callable[[Store], object]) -> None:
    keyed(store, "a", expires_ms=-5_000)

    end(store)

    assert store.record("a").finished_ms > 0
    assert places_held(store) == 0
    assert keyed(store, "b") == (1, "b")


def test_key_is_held_while_its_execution_runs_waits_for_a_retry_or_is_handed_out_again(store: Store) -> None:
    keyed(store, "a")
    store.join("w")
    store.claim()
    assert keyed(store, "b") == (KEY_HELD, "a")

    store.settle("a", "retry", delay_ms=60_000)
    assert keyed(store, "b") == (KEY_HELD, "a")

    store.advance(60_001)
    store.join("w")
    store.claim()
    store.reap("w")
    assert keyed(store, "b") == (KEY_HELD, "a")


def test_key_that_is_held_for_a_time_is_held_whatever_becomes_of_its_execution(store: Store) -> None:
    keyed(store, "a", for_ms=3_600_000)
    ENDS["done"](store)

    assert keyed(store, "b") == (KEY_HELD, "a")
    assert keyed(store, "c", for_ms=1) == (KEY_HELD, "a")
    assert 0 < store.client.pttl(store.client.keys(f"{store.keys.prefix}:unique:*")[0]) <= 3_600_000


def test_key_that_was_held_for_a_time_is_free_afterwards_though_its_execution_is_not_over(store: Store) -> None:
    keyed(store, "a", for_ms=1)
    while places_held(store):
        pass

    assert keyed(store, "b") == (1, "b")
    ENDS["done"](store)
    assert keyed(store, "c") == (KEY_HELD, "b"), "what had the key before has let go of another's"


def test_call_that_is_sent_again_gets_its_own_execution_also_when_the_key_has_gone_on(store: Store) -> None:
    keyed(store, "a")
    assert keyed(store, "a") == (0, "a")

    ENDS["done"](store)
    keyed(store, "b")

    assert keyed(store, "a") == (0, "a")
    assert keyed(store, "a", call="another") == (ID_TAKEN, "a")


@pytest.mark.parametrize("damage", [b"\x01garbage", b"", None], ids=["garbage", "empty", "lost"])
def test_record_that_is_damaged_or_lost_doesnt_hold_its_key(store: Store, damage: bytes | None) -> None:
    keyed(store, "a")
    if damage is None:
        store.client.delete(store.keys.record("a"))
    else:
        store.damage("a", damage)
    store.expected_strays = ("a", "count:default")

    assert keyed(store, "b") == (1, "b")
    assert keyed(store, "c") == (KEY_HELD, "b")


def test_full_queue_answers_who_has_the_key_and_refuses_who_has_not(store: Store) -> None:
    keyed(store, "a", bound=1)

    assert keyed(store, "b", bound=1) == (KEY_HELD, "a")
    assert keyed(store, "c", key="free", bound=1) == (-1, "1")
    assert places_held(store) == 1


def test_replay_has_no_key(store: Store) -> None:
    keyed(store, "a")
    ENDS["dead"](store)

    store.scripts.replay([("a", "again", Record(helper="tidy", replay_of="a"))])

    assert keyed(store, "b") == (1, "b")


def test_what_follows_from_a_verdict_takes_its_key_or_is_left_out(store: Store) -> None:
    follow_up = Publication("n", Record(helper="next", call="f", unique="k"), unique_for_ms=60_000)
    for id_ in "ab":
        store.start(id_)
        store.settle(id_, follow_ups=(Publication(f"n{id_}", follow_up.record, unique_for_ms=60_000),))

    assert store.status("na") == "r"
    assert store.client.exists(store.keys.record("nb")) == 0
    assert keyed(store, "c", helper="next", key="k") == (KEY_HELD, "na")


def test_verdict_that_cant_be_recorded_frees_the_key(store: Store) -> None:
    keyed(store, "a", overlap="s")
    store.join("w")
    store.claim()
    store.client.delete(store.key("ended", "default", "s"))
    store.client.set(store.key("ended", "default", "s"), "not a stream")
    store.expected_strays = ("a: status e",)

    store.settle("a")

    assert places_held(store) == 0
    store.client.delete(store.key("ended", "default", "s"))


def test_key_of_another_type_costs_its_execution_nothing(store: Store) -> None:
    keyed(store, "a")
    (place,) = store.client.keys(f"{store.keys.prefix}:unique:*")
    store.client.delete(place)
    store.client.rpush(place, "what is this")
    store.expected_strays = ("unique:tidy",)

    ENDS["done"](store)

    assert store.status("a") == "s"
