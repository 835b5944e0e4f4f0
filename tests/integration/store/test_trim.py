"""The end of history: by age, or by memory, and then it says since when it is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helperhub.model.instant import epoch_ms

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

DAY_MS = 24 * 3_600_000


def trim(store: Store, kind: str = "s", *, queue: str = "default", limit: int = 100, bound_bytes: int = 0) -> int:
    return store.scripts.trim(queue, kind, keep_ms=DAY_MS, limit=limit, bound_bytes=bound_bytes, held=True)


def test_history_past_its_lifetime_ends_with_all_its_indexes(store: Store) -> None:
    store.run("a")
    store.run("b", "cancelled")
    store.advance(2 * DAY_MS)

    assert (trim(store, "s"), trim(store, "f")) == (1, 1)

    names = {name.decode().removeprefix(store.keys.prefix) for name in store.snapshot()}
    assert not {name for name in names if name.startswith((":x:", ":of:", ":ended:"))}
    assert store.client.hget(store.key("history"), "bytes") == b"0"


def test_younger_history_stays(store: Store) -> None:
    store.run("a")

    assert trim(store) == 0
    assert store.status("a") == "s"
    assert store.executions.complete_since() is None


def test_trim_takes_no_more_than_its_limit(store: Store) -> None:
    for id_ in "abc":
        store.run(id_)
    store.advance(2 * DAY_MS)

    assert [trim(store, limit=2) for _ in range(3)] == [2, 1, 0]


def test_oldest_go_first_when_the_history_is_over_its_share_of_memory(store: Store) -> None:
    for id_ in "abcd":
        store.run(id_)
    size = int(store.client.hget(store.key("history"), "bytes"))

    ended = trim(store, bound_bytes=size // 2)

    assert ended == 2
    assert [found.id for found in store.executions.finished()] == ["d", "c"]


def test_history_says_since_when_it_is_complete(store: Store) -> None:
    store.run("a")
    a_ended = store.record("a").finished_ms
    store.run("b")

    trim(store, bound_bytes=int(store.client.hget(store.key("history"), "bytes")) - 1)

    since = store.executions.complete_since()
    assert since is not None
    assert epoch_ms(since) >= a_ended


def test_history_of_another_queue_doesnt_make_it_say_less_than_is_true(store: Store) -> None:
    """The queue that was trimmed last had the say, though another had lost what was younger."""
    store.run("old", queue="low")
    while store.now_ms() == store.record("old").finished_ms:
        pass
    store.run("young")
    trim(store, bound_bytes=1)
    before = store.executions.complete_since()

    trim(store, queue="low", bound_bytes=1)

    assert store.executions.complete_since() == before


def test_damaged_record_ends_with_the_history(store: Store) -> None:
    """It was in no index any more and stayed for ever."""
    store.run("a")
    store.damage("a")
    store.expected_strays = ("a: in ['of",)
    store.advance(2 * DAY_MS)

    trim(store)

    assert store.client.exists(store.keys.record("a")) == 0
