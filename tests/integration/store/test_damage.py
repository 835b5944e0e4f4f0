"""Records that can't be read: each is set aside alone, and its neighbours go on."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgpack
import pytest

from helperhub.errors import CorruptRecord
from helperhub.store.record import unpack_record

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

NAMES = [b"tidy", b"default", b"", b"", b""]
CONSTANTS = [b"", b"code", b"", b"", b""]


def record(*, constants: object = CONSTANTS, said: object = None, length: int | None = None) -> bytes:
    """Return a record, byte by byte as docs/decisions/0001 has it."""
    numbers = struct.pack("<IBBIII", 0, 3, 0, 1, 1, 1)
    times = b"".join(at.to_bytes(6, "little") for at in (1, 1, 0, 0, 0, 0))
    names = b"".join(bytes([len(name)]) + name for name in NAMES)
    packed = bytes(msgpack.packb(constants, use_bin_type=False))
    tail = b"" if said is None else bytes(msgpack.packb(said, use_bin_type=False))
    size = struct.pack("<I", len(packed) if length is None else length)
    return b"\x02q" + numbers + times + names + size + packed + tail


DAMAGED = {
    "empty": b"",
    "another format": b"\x07" + record()[1:],
    "cut off": record()[:-3],
    "cut off in its numbers": record()[:40],
    "cut off in its names": record()[:60],
    "longer than it is": record(length=5000),
}
DAMAGED_BEHIND = {
    "a map": record(constants={"status": "q"}),
    "too few places": record(constants=[b"", b"code"]),
    "a number for a text": record(constants=[7, *CONSTANTS[1:]]),
    "nothing for a text": record(constants=[*CONSTANTS[:4], None]),
    "no msgpack": record(length=4)[:-4] + b"\xc1\xc1\xc1\xc1",
    "a text for the errors": record(said=[b"", b"", b"boom"]),
    "a number for the reason": record(said=[1, b"", []]),
    "no msgpack in its tail": record() + b"\xc1",
}


def test_record_of_these_places_can_be_read(store: Store) -> None:
    store.publish("a")
    store.damage("a", record())
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


@pytest.mark.parametrize("raw", DAMAGED_BEHIND.values(), ids=DAMAGED_BEHIND.keys())
def test_record_that_only_its_worker_finds_damaged_is_a_dead_letter_and_its_neighbours_run(
    store: Store, raw: bytes
) -> None:
    """Claiming looks at no more than it needs; what runs it decodes all of it, and gives it up if it can't."""
    for id_ in ("before", "broken", "after"):
        store.publish(id_)
    store.damage("broken", raw)
    store.join("w")
    store.expected_strays = ("broken", "count:")

    claimed = dict(store.claim().records)

    with pytest.raises(CorruptRecord):
        unpack_record(claimed["broken"])
    store.settle("broken", "dead", reason="can't be decoded")
    assert store.ids("dead") == ["broken"]
    assert store.settle("before")
    assert store.settle("after")
    assert store.client.hlen(store.key("held", "w")) == 0


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
