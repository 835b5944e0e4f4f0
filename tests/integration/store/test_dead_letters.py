"""Dead letters: replayed once, deleted on purpose, and otherwise kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helperhub.store.record import Record

if TYPE_CHECKING:
    from tests.integration.store.conftest import HOUR_MS, Store
else:
    HOUR_MS = 3_600_000

KEEP_MS = 7 * 24 * HOUR_MS


def replay(store: Store, old: str, new: str) -> tuple[int, str]:
    return store.scripts.replay([(old, new, Record(helper="tidy", replay_of=old, call=new))])[0]


def history_bytes(store: Store) -> int:
    return int(store.client.hget(store.key("history"), "bytes") or 0)


def bytes_of_finished(store: Store) -> int:
    return sum(len(store.client.get(name)) for name in store.client.scan_iter(match=f"{store.keys.prefix}:x:*"))


def test_replayed_dead_letter_runs_as_a_new_execution(store: Store) -> None:
    store.run("a", "dead")

    assert replay(store, "a", "b") == (1, "b")

    assert store.ids("dead") == []
    assert (store.record("b").status, store.record("b").replay_of) == ("q", "a")
    assert store.record("a").status == "e"


def test_dead_letter_is_replayed_once_whoever_asks(store: Store) -> None:
    store.run("a", "dead")
    replay(store, "a", "b")

    assert replay(store, "a", "c") == (0, "b")

    assert store.ids("ready", "default") == ["b"]


def test_replay_that_is_sent_again_answers_the_same_execution(store: Store) -> None:
    store.run("a", "done")
    assert replay(store, "a", "b") == (1, "b")
    before = store.snapshot()

    assert replay(store, "a", "b") == (0, "b")
    assert store.snapshot() == before


def test_execution_that_isnt_over_cant_be_replayed(store: Store) -> None:
    store.publish("a")

    assert replay(store, "a", "b") == (-1, "a")
    assert replay(store, "nobody", "c") == (-2, "nobody")


def test_deleted_dead_letter_stays_in_the_history(store: Store) -> None:
    store.run("a", "dead")

    assert store.scripts.delete_dead(["a"]) == 1

    assert store.ids("dead") == []
    assert [found.id for found in store.executions.finished()] == ["a"]


def test_deleting_twice_deletes_nothing_twice(store: Store) -> None:
    store.run("a", "dead")
    store.scripts.delete_dead(["a"])

    assert store.scripts.delete_dead(["a"]) == 0
    assert store.status("a") == "e"


def test_delete_takes_nothing_but_dead_letters(store: Store) -> None:
    store.run("a", "done")
    store.publish("b")
    store.advance(2 * KEEP_MS)

    assert store.scripts.delete_dead(["a", "b", "nobody"]) == 0

    assert store.status("a") == "s"
    assert store.status("b") == "q"


def test_dead_letter_outlives_the_history(store: Store) -> None:
    store.run("a", "dead")
    store.advance(2 * KEEP_MS)

    store.scripts.trim("default", "f", keep_ms=KEEP_MS, limit=100, bound_bytes=0, held=True)

    assert store.status("a") == "e"
    assert [found.id for found in store.executions.dead()] == ["a"]


def test_nothing_is_left_of_a_dead_letter_that_is_deleted_after_its_history_ended(store: Store) -> None:
    """Its helper's list kept the id for ever, and its bytes counted against the history for ever."""
    store.run("a", "dead")
    store.advance(2 * KEEP_MS)
    store.scripts.trim("default", "f", keep_ms=KEEP_MS, limit=100, bound_bytes=0, held=True)

    store.scripts.delete_dead(["a"])

    assert store.client.exists(store.keys.record("a"), store.key("of", "tidy", "f")) == 0
    assert history_bytes(store) == 0


def test_nothing_is_left_of_a_dead_letter_whose_history_ended_early_for_want_of_memory(store: Store) -> None:
    """It was deleted from the dead letters, and its record stayed for ever: no index led to it."""
    store.run("a", "dead")
    store.scripts.trim("default", "f", keep_ms=KEEP_MS, limit=100, bound_bytes=1, held=True)

    store.scripts.delete_dead(["a"])

    assert store.client.exists(store.keys.record("a"), store.key("of", "tidy", "f")) == 0
    assert history_bytes(store) == 0


def test_dead_letter_that_is_replayed_after_its_history_ended_goes_with_the_history_again(store: Store) -> None:
    """Replayed, it was no dead letter any more and in no index: its record stayed for ever."""
    store.run("a", "dead")
    store.advance(2 * KEEP_MS)
    store.scripts.trim("default", "f", keep_ms=KEEP_MS, limit=100, bound_bytes=0, held=True)

    replay(store, "a", "b")

    assert [found.id for found in store.executions.finished()] == ["a"]
    store.advance(4 * KEEP_MS)
    store.scripts.trim("default", "f", keep_ms=KEEP_MS, limit=100, bound_bytes=0, held=True)
    assert store.client.exists(store.keys.record("a"), store.key("of", "tidy", "f")) == 0


def test_history_counts_the_bytes_of_its_records(store: Store) -> None:
    """Replaying and deleting weren't counted, so that the bound on memory drifted."""
    store.run("a", "dead")
    store.run("b", "dead")
    store.run("c", "done")
    replay(store, "a", "d")
    store.join("w")
    store.claim()
    store.settle("d")
    store.scripts.delete_dead(["b"])

    assert history_bytes(store) == bytes_of_finished(store)


def test_damaged_dead_letter_can_be_deleted(store: Store) -> None:
    store.run("a", "dead")
    store.damage("a")
    store.expected_strays = ("a: in", "x:a")

    assert store.scripts.delete_dead(["a"]) == 1

    assert store.client.exists(store.keys.record("a")) == 0
