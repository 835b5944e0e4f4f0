"""What running executions say of themselves, and verdicts that can't be carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helperhub.store.scripts import Report, Settlement

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def test_report_of_an_older_delivery_changes_nothing(store: Store) -> None:
    store.start("a")
    store.reap("w")
    store.join("next")
    store.claim("next")

    stale, fresh = Report("a", 1, b'{"done":1}'), Report("a", 2, b'{"done":2}', (b'{"text":"x"}',))

    assert store.scripts.report([stale, fresh], keep=10, lifetime_ms=60_000) == [False, True]
    assert store.executions.progress("a") == b'{"done":2}'
    assert store.executions.log("a") == [b'{"text":"x"}']


def test_last_words_after_the_verdict_are_kept(store: Store) -> None:
    store.run("a")

    assert store.scripts.report([Report("a", 1, lines=(b"1", b"2", b"3"))], keep=2, lifetime_ms=60_000) == [True]

    assert store.executions.log("a") == [b"2", b"3"]
    assert store.executions.log("a", start=1) == [b"3"]


def test_report_of_an_unknown_execution_leaves_no_key(store: Store) -> None:
    assert store.scripts.report([Report("gone", 1, b"{}", (b"1",))], keep=2, lifetime_ms=60_000) == [False]
    assert store.snapshot() == {}


def test_verdict_that_cant_be_carried_out_is_told_and_its_neighbours_are_settled(store: Store) -> None:
    """The neighbours' counters were lost with it, and the verdict was given up: it ran for as long as its worker."""
    for id_, helper in (("before", "fine"), ("broken", "tidy"), ("after", "fine")):
        store.publish(id_, helper=helper)
    store.join("w")
    store.claim()
    store.client.set(store.key("of", "tidy", "s"), "not a list")
    verdicts = [Settlement(id_, 1, "done") for id_ in ("before", "broken", "after")]

    before, broken, after = store.scripts.settle("w", verdicts)

    assert (before, after) == (True, True)
    assert isinstance(broken, str)
    assert "WRONGTYPE" in broken
    assert store.counters()["ended"] == store.counters()["enqueued"] == 3
    assert store.ids("dead") == ["broken"]
    assert (store.status("broken"), store.record("broken").reason) == ("e", broken)
    assert store.client.hlen(store.key("held", "w")) == 0
    assert not store.settle("broken", claim=1)
    store.client.delete(store.key("of", "tidy", "s"))
    store.expected_strays = ("broken",)


@pytest.mark.parametrize("key", ["of", "ended"])
def test_expired_execution_that_cant_be_recorded_strands_no_neighbour_at_claim(store: Store, key: str) -> None:
    """It stopped the script halfway: what it had taken out of the queue was lost."""
    store.publish("expired", helper="other", expires_ms=1)
    store.publish("a")
    names = {"of": ("of", "other", "f"), "ended": ("ended", "default", "f")}
    store.client.set(store.key(*names[key]), "something else")
    store.join("w")

    assert store.claim_ids() == ["a"]

    assert store.ids("dead") == ["expired"]
    store.client.delete(store.key(*names[key]))
    store.expected_strays = ("expired", "count:")
