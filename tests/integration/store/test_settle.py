"""Settling: a verdict is carried out under the claim it was made under, as a whole, and once."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from helperhub.store.record import NUMBERS_BYTES, Record, pack
from helperhub.store.scripts import MemberDone, Publication, Settlement

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

OUTCOMES = ["done", "retry", "dead", "expired", "cancelled", "skipped", "interrupted", "returned"]
FINAL = {"done": "s", "dead": "e", "expired": "x", "cancelled": "c", "skipped": "k"}


@pytest.mark.parametrize(("outcome", "status"), FINAL.items())
def test_final_outcome_ends_the_execution_with_its_reason(store: Store, outcome: str, status: str) -> None:
    store.start("a")

    assert store.settle("a", outcome, reason="because")

    record = store.record("a")
    assert (record.status, record.reason) == (status, "because")
    assert record.finished_ms > 0
    assert store.counters()[status] == store.counters()["ended"] == 1
    assert store.client.hgetall(store.key("held", "w")) == {}


def test_success_keeps_result_and_true_start(store: Store) -> None:
    store.start("a")
    started = store.now_ms()

    store.settle("a", started_ms=started, result=b'{"x":1}')

    record = store.record("a")
    assert (record.result, record.started_ms) == (b'{"x":1}', started)


def test_only_what_was_given_up_is_a_dead_letter(store: Store) -> None:
    for outcome in FINAL:
        store.run(outcome, outcome)

    assert store.ids("dead") == ["dead"]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_verdict_under_another_claim_changes_nothing(store: Store, outcome: str) -> None:
    store.start("a")
    before = store.snapshot()

    assert not store.settle("a", outcome, claim=99)

    assert store.snapshot() == before


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_verdict_of_another_worker_changes_nothing(store: Store, outcome: str) -> None:
    store.start("a")
    store.join("other")
    before = store.snapshot()

    assert not store.settle("a", outcome, worker="other", claim=1)

    assert store.snapshot() == before


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_verdict_that_is_sent_again_changes_nothing_twice(store: Store, outcome: str) -> None:
    store.start("a")
    follow_up = Publication("next", Record(helper="other"))
    assert store.settle("a", outcome, claim=1, error=b"{}", started_ms=1, follow_ups=(follow_up,))
    before = store.snapshot()

    assert not store.settle("a", outcome, claim=1, error=b"{}", started_ms=1, follow_ups=(follow_up,))

    assert store.snapshot() == before


def test_retry_waits_for_its_delay_as_the_next_attempt(store: Store) -> None:
    store.start("a")

    store.settle("a", "retry", started_ms=store.now_ms(), delay_ms=5_000, reason="ValueError: no", error=b"{}")

    record = store.record("a")
    assert (record.status, record.attempt, record.delivery, record.reason) == ("q", 2, 1, "ValueError: no")
    assert store.claim_ids() == []
    store.advance(5_000)
    assert store.claim_ids() == ["a"]
    assert store.record("a").delivery == 2
    assert store.counters()["retried"] == 1


def test_retry_without_delay_can_be_claimed_at_once(store: Store) -> None:
    store.start("a")

    store.settle("a", "retry", started_ms=1)

    assert store.claim_ids() == ["a"]


def test_first_and_last_two_errors_are_kept(store: Store) -> None:
    store.start("a", max_attempts=9)
    for attempt in range(1, 6):
        store.settle("a", "retry", started_ms=1, error=f"error {attempt}".encode())
        store.claim()

    store.settle("a", "dead", started_ms=1, error=b"error 6")

    assert store.record("a").errors == [b"error 1", b"error 5", b"error 6"]


def test_interrupted_attempt_goes_back_and_none_is_used_up(store: Store) -> None:
    store.start("a")

    store.settle("a", "interrupted", started_ms=5, reason="its worker stopped")

    record = store.record("a")
    assert (record.status, record.attempt, record.delivery, record.started_ms) == ("q", 1, 1, 5)
    assert store.claim_ids() == ["a"]
    assert store.record("a").delivery == 2


def test_returned_execution_goes_back_as_it_came(store: Store) -> None:
    store.publish("a")
    before = store.record("a")
    store.start("b")

    store.settle("a", "returned")
    store.settle("b")

    assert store.record("a") == before
    assert store.claim_ids() == ["a"]
    assert store.record("a").delivery == 1


def test_returned_execution_keeps_its_place_in_the_order(store: Store) -> None:
    now = store.now_ms()
    store.start("first", due_ms=now - 10)
    store.publish("second", due_ms=now - 5)

    store.settle("first", "returned")

    assert store.claim_ids() == ["first", "second"]


def test_returned_execution_can_wait_before_it_is_handed_out_again(store: Store) -> None:
    store.start("a")

    store.settle("a", "returned", delay_ms=5_000, reason="no worker has this helper yet")

    assert store.claim_ids() == []
    assert store.record("a").reason == "no worker has this helper yet"
    store.advance(5_000)
    assert store.claim_ids() == ["a"]


@pytest.mark.parametrize("outcome", ["retry", "dead", "cancelled", "interrupted", "returned"])
def test_execution_that_somebody_cancelled_ends_when_it_comes_back(store: Store, outcome: str) -> None:
    store.start("a")
    store.scripts.cancel(["a"], reason="enough")

    store.settle("a", outcome)

    assert store.status("a") == "c"


def test_execution_that_succeeded_though_somebody_cancelled_it_is_a_success(store: Store) -> None:
    store.start("a")
    store.scripts.cancel(["a"], reason="enough")

    store.settle("a", "done")

    assert store.status("a") == "s"


def test_follow_up_is_enqueued_with_the_outcome_and_once(store: Store) -> None:
    store.start("a")

    store.settle("a", "dead", follow_ups=(Publication("notice", Record(helper="notify"), delay_ms=1_000),))

    notice = store.record("notice")
    assert notice.status == "q"
    assert 900 < notice.due_ms - store.now_ms() <= 1_000


def test_follow_up_expires_like_any_other(store: Store) -> None:
    """Its expiry stayed "that long after the due time", below zero, and so it never expired."""
    store.start("a")

    store.settle("a", "done", follow_ups=(Publication("next", Record(helper="tidy", expires_ms=-2_000)),))

    record = store.record("next")
    assert record.expires_ms == record.due_ms + 2_000


def test_nobody_is_told_of_a_failure_when_the_execution_was_cancelled(store: Store) -> None:
    """The failure notice was sent for an execution that ended as cancelled, not as given up."""
    store.start("a")
    store.scripts.cancel(["a"], reason="enough")

    store.settle("a", "dead", follow_ups=(Publication("notice", Record(helper="notify")),))

    assert store.client.exists(store.keys.record("notice")) == 0


def test_many_verdicts_in_one_call_are_each_judged_alone(store: Store) -> None:
    store.start("a")
    store.start("b")

    answers = store.scripts.settle(
        "w", [Settlement("a", 1, "done"), Settlement("b", 1, "done"), Settlement("b", 2, "done")]
    )

    assert answers == [True, False, True]


def test_counters_tell_how_long_executions_waited_and_ran(store: Store) -> None:
    store.start("a", due_ms=store.now_ms())
    started = store.record("a").due_ms + 300
    store.advance(1_000)

    store.settle("a", started_ms=started)

    counters = store.counters()
    assert (counters["started"], counters["wait_ms"]) == (1, 300)
    assert 700 <= counters["run_ms"] < 1_500


def test_places_that_a_newer_release_added_survive_claim_and_settle(store: Store) -> None:
    store.publish("a", reason="a tail")
    start, constants, tail = parts_of(store, "a")
    newer = pack([*constants, b"new text", 7, [1, b"x"]])
    store.client.set(
        store.keys.record("a"), start + struct.pack("<I", len(newer)) + newer + pack([*tail, b"newer still"])
    )
    store.join("w")

    store.claim()
    store.settle("a", "retry", error=b"{}")
    store.claim()
    store.settle("a", "done")

    _, constants, tail = parts_of(store, "a")
    assert constants[-3:] == [b"new text", 7, [1, b"x"]]
    assert tail[-1] == b"newer still"
    assert store.status("a") == "s"


def parts_of(store: Store, id_: str) -> tuple[bytes, list[Any], list[Any]]:
    """Return a record's numbers and names, its constants, and what is said of it."""
    raw = store.client.get(store.keys.record(id_))
    start = NUMBERS_BYTES
    for _ in range(5):
        start += 1 + raw[start]
    end = start + 4 + struct.unpack_from("<I", raw, start)[0]
    return raw[:start], msgpack.unpackb(raw[start + 4 : end], raw=True), msgpack.unpackb(raw[end:], raw=True)


CALLBACK = Publication("callback", Record(helper="finish"), other_id="callback-2")


def done_in(group: str, member: str, *callbacks: Publication) -> MemberDone:
    return MemberDone(group, member, callbacks or (CALLBACK,), keep_ms=60_000)


def test_last_member_of_a_group_enqueues_its_callbacks_and_ends_its_count(store: Store) -> None:
    assert store.scripts.open_group("g", 2, keep_ms=60_000)
    for member in ("a", "b"):
        store.start(member)
        assert store.client.exists(store.keys.record("callback")) == 0
        store.settle(member, group=done_in("g", member))

    assert store.status("callback") == "q"
    assert store.client.exists(store.key("group", "g")) == 0


def test_member_counts_once_however_often_it_is_done(store: Store) -> None:
    store.scripts.open_group("g", 2, keep_ms=60_000)
    for execution_id in ("a", "a-replayed"):
        store.start(execution_id)
        store.settle(execution_id, group=done_in("g", "a"))

    assert store.client.exists(store.keys.record("callback")) == 0
    assert 0 < store.client.pttl(store.key("group", "g")) <= 60_000


@pytest.mark.parametrize("outcome", [outcome for outcome in OUTCOMES if outcome != "done"])
def test_member_that_isnt_done_doesnt_count(store: Store, outcome: str) -> None:
    store.scripts.open_group("g", 1, keep_ms=60_000)
    store.start("a")

    store.settle("a", outcome, group=done_in("g", "a"))

    assert store.client.exists(store.keys.record("callback")) == 0


def test_group_that_is_opened_again_keeps_its_count(store: Store) -> None:
    store.scripts.open_group("g", 2, keep_ms=60_000)
    store.start("a")
    store.settle("a", group=done_in("g", "a"))

    assert not store.scripts.open_group("g", 2, keep_ms=60_000)

    store.start("b")
    store.settle("b", group=done_in("g", "b"))
    assert store.status("callback") == "q"


def test_member_of_a_group_that_is_forgotten_enqueues_nothing(store: Store) -> None:
    store.start("a")

    assert store.settle("a", group=done_in("gone", "a"))

    assert store.client.exists(store.keys.record("callback"), store.key("group", "gone")) == 0


def test_group_whose_count_was_damaged_doesnt_keep_its_members_from_ending(store: Store) -> None:
    store.client.set(store.key("group", "g"), "damaged")
    store.expected_strays = ("group:g",)
    store.start("a")

    assert store.settle("a", group=done_in("g", "a"))

    assert store.status("a") == "s"


def test_follow_up_whose_id_is_taken_gets_its_other_id_and_the_body_made_for_that(store: Store) -> None:
    store.publish("next")
    store.start("a")
    record = Record(helper="other", body=b"\x01\x00", call="mine")

    store.settle("a", follow_ups=(Publication("next", record, "next-2", other_body=b"\x01\x00{}"),))

    assert (store.record("next").helper, store.record("next").body) == ("tidy", b"")
    assert (store.record("next-2").helper, store.record("next-2").body) == ("other", b"\x01\x00{}")
