"""Records that can't be read: each is set aside alone, and its neighbours go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack
import pytest

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

PLACES = 25


def places(**changes: object) -> bytes:
    """Return a whole record but for some places, given as ``p<number>`` counted from 0."""
    values: list[object] = [b"q", b"tidy", b"default", 3, 0, 1, 1, 0, 0, 0, 1, 1, 0, b"", b"", b"code", b"", b"", b""]
    values += [[], b"", b"", b"", 1, 0]
    assert len(values) == PLACES
    for name, value in changes.items():
        values[int(name[1:])] = value
    return b"\x01" + bytes(msgpack.packb(values, use_bin_type=False))


DAMAGED = {
    "empty": b"",
    "another format": b"\x07" + places()[1:],
    "no msgpack": b"\x01\xc1\xc1",
    "cut off": places()[:-3],
    "a map": b"\x01" + bytes(msgpack.packb({"status": "q"})),
    "too few places": b"\x01" + bytes(msgpack.packb([b"q", b"tidy"])),
    "a text for a time": places(p5=b"soon"),
    "nothing for a number": places(p3=None),
    "a number for a text": places(p1=7),
    "a text for the errors": places(p19=b"boom"),
}


def test_record_of_these_places_can_be_read(store: Store) -> None:
    store.publish("a")
    store.damage("a", places())
    store.join("w")

    assert store.claim_ids() == ["a"]


@pytest.mark.parametrize("raw", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_record_is_set_aside_at_claim_and_its_neighbours_run(store: Store, raw: bytes) -> None:
    """One with a wrong type stopped the script halfway: what it had taken out of the queue was lost."""
    for id_ in ("before", "broken", "after"):
        store.publish(id_)
    store.damage("broken", raw)
    store.join("w")
    store.expected_strays = ("broken",)

    assert sorted(store.claim_ids()) == ["after", "before"]

    assert store.ids("dead") == ["broken"]
    assert store.client.get(store.keys.record("broken")) == raw
    assert store.settle("before", claim=1)
    assert store.settle("after", claim=1)
    assert store.counters()["enqueued"] == store.counters()["ended"] == 3


def test_value_of_another_type_is_set_aside_at_claim(store: Store) -> None:
    store.publish("a")
    store.publish("b")
    store.client.delete(store.keys.record("a"))
    store.client.lpush(store.keys.record("a"), "something else")
    store.join("w")

    assert store.claim_ids() == ["b"]
    assert store.ids("dead") == ["a"]
    store.client.delete(store.keys.record("a"))
    store.expected_strays = ("a: in",)


def test_record_that_is_gone_is_passed_over_at_claim(store: Store) -> None:
    store.publish("a")
    store.publish("b")
    store.client.delete(store.keys.record("a"))
    store.join("w")
    store.expected_strays = ("count:",)

    assert store.claim_ids() == ["b"]


def test_record_damaged_in_hand_is_set_aside_when_it_is_settled(store: Store) -> None:
    """It was in no index any more, so that nobody saw it and it stayed for ever."""
    store.start("a")
    store.damage("a")
    store.expected_strays = ("a", "count:")

    assert not store.settle("a")

    assert store.ids("dead") == ["a"]
    assert store.client.hlen(store.key("held", "w")) == 0


def test_record_damaged_in_hand_is_set_aside_when_its_worker_dies(store: Store) -> None:
    store.start("a")
    store.damage("a")
    store.expected_strays = ("a", "count:")

    store.reap("w")

    assert store.ids("dead") == ["a"]


def test_damaged_record_is_set_aside_by_a_purge(store: Store) -> None:
    store.publish("a")
    store.publish("b")
    store.damage("a")
    store.expected_strays = ("a",)

    assert store.scripts.purge("default", limit=100, reason="") == 2

    assert store.ids("dead") == ["a"]
    assert store.status("b") == "c"


def test_active_execution_whose_record_is_gone_blocks_its_helper_no_longer(store: Store) -> None:
    """Overlap "skip" skipped every due time from then on."""
    store.register()
    store.publish("active", overlap="s")
    store.client.delete(store.keys.record("active"))
    store.client.delete(store.key("ready", "default"))
    store.expected_strays = ("count:",)
    due = store.now_ms()
    store.plan(("@1", due))

    assert store.promote("@1", due, overlap="s") == 1

    store.join("w")
    assert store.claim_ids() == ["tidy@1"]


def test_damaged_record_is_shown_as_unreadable(store: Store) -> None:
    store.run("a", "dead")
    store.damage("a")
    store.expected_strays = ("a",)

    (found,) = store.executions.dead()

    assert (found.id, found.helper, found.reason) == ("a", "unreadable", "its record can't be decoded")
