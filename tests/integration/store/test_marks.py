"""What people decide about planned times holds: it outlives replanning, disabling and enabling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helperhub.store.record import Record

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

MINUTE_MS = 60_000
SLOT = "@20301123T083000Z"


def mark(store: Store, action: str, *, due_ms: int = 0, slot: str = SLOT, reason: str = "by hand") -> int:
    record = Record(helper="tidy", planned_ms=1)
    return store.scripts.mark_plan("tidy", slot, action, due_ms=due_ms, reason=reason, record=record)


def plan_one(store: Store) -> int:
    store.register()
    due = store.now_ms() + MINUTE_MS
    store.plan((SLOT, due))
    return due


def test_skipped_due_time_is_recorded_with_its_reason(store: Store) -> None:
    plan_one(store)

    assert mark(store, "skip") == 0

    assert store.slots() == {}
    record = store.record(f"tidy{SLOT}")
    assert (record.status, record.reason) == ("k", "by hand")


def test_skipping_that_is_sent_again_answers_the_same(store: Store) -> None:
    """The reply was lost, the call sent again, and the answer was that nothing is planned."""
    plan_one(store)
    mark(store, "skip")
    before = store.snapshot()

    assert mark(store, "skip") == 0
    assert store.snapshot() == before


def test_skipped_due_time_cant_be_moved_any_more(store: Store) -> None:
    plan_one(store)
    mark(store, "skip")

    assert mark(store, "move", due_ms=store.now_ms() + MINUTE_MS) == -1
    assert mark(store, "run") == -1


def test_moved_due_time_is_due_then_and_keeps_its_identity(store: Store) -> None:
    due = plan_one(store)

    assert mark(store, "move", due_ms=due + 5 * MINUTE_MS) == due + 5 * MINUTE_MS

    assert store.slots() == {SLOT: due + 5 * MINUTE_MS}
    assert store.catalogue.next_due() == {"tidy": due + 5 * MINUTE_MS}


def test_due_time_that_is_to_run_is_due_now(store: Store) -> None:
    plan_one(store)

    due = mark(store, "run")

    assert abs(due - store.now_ms()) < 1_000
    ((found),) = store.scripts.due(limit=10).rows
    assert found.slots[0][0] == SLOT


def test_running_now_that_is_sent_again_after_it_was_enqueued_answers_the_same(store: Store) -> None:
    """A scheduler had enqueued it meanwhile, and the answer was that nothing is planned."""
    plan_one(store)
    due = mark(store, "run")
    store.promote(SLOT, due)

    assert mark(store, "run") == due


def test_what_isnt_planned_cant_be_marked(store: Store) -> None:
    plan_one(store)

    assert mark(store, "skip", slot="@20301123T093000Z") == -1
    assert store.client.exists(store.key("marks", "tidy")) == 0


@pytest.mark.parametrize("plan", ["renew", "stop"])
def test_skipped_due_time_stays_skipped_when_the_helper_is_planned_anew(store: Store, plan: str) -> None:
    due = plan_one(store)
    mark(store, "skip")
    store.register(plan=plan)
    store.register()

    assert store.plan((SLOT, due)) == 0

    assert store.slots() == {}


def test_skipped_due_time_stays_skipped_when_its_record_has_ended(store: Store) -> None:
    due = plan_one(store)
    mark(store, "skip")
    store.scripts.trim("default", "f", keep_ms=0, limit=10, bound_bytes=1, held=True)
    assert store.client.exists(store.keys.record(f"tidy{SLOT}")) == 0
    store.register()

    assert store.plan((SLOT, due)) == 0


@pytest.mark.parametrize("plan", ["renew", "stop"])
def test_moved_due_time_stays_moved_when_the_helper_is_planned_anew(store: Store, plan: str) -> None:
    due = plan_one(store)
    mark(store, "move", due_ms=due + 5 * MINUTE_MS)
    store.register(plan=plan)
    store.register()

    assert store.plan((SLOT, due)) == 1

    assert store.slots() == {SLOT: due + 5 * MINUTE_MS}


def test_due_time_moved_past_the_window_comes_back_when_the_helper_is_planned_anew(store: Store) -> None:
    """Disabling and enabling lost it: its planned time was past, so that nothing planned it again."""
    due = plan_one(store)
    mark(store, "move", due_ms=due + 600 * MINUTE_MS)
    store.advance(5 * MINUTE_MS)
    store.register(plan="stop")
    store.register()

    assert store.plan(("@20301123T093000Z", store.now_ms() + MINUTE_MS)) == 2

    assert store.slots()[SLOT] == due + 600 * MINUTE_MS


def test_moved_due_time_that_ran_isnt_planned_again_though_its_record_has_ended(store: Store) -> None:
    """Run early, then planned anew once its record had gone: it ran a second time."""
    due = plan_one(store)
    now = mark(store, "run")
    store.promote(SLOT, now)
    store.join("w")
    store.claim()
    store.settle(f"tidy{SLOT}")
    store.scripts.trim("default", "s", keep_ms=0, limit=10, bound_bytes=1, held=True)
    store.register()

    assert store.plan((SLOT, due)) == 0
    assert store.slots() == {}


def test_marks_of_a_helper_that_is_gone_end_after_a_while(store: Store) -> None:
    """They stayed for ever: nobody plans that helper any more."""
    plan_one(store)
    mark(store, "skip")

    store.register(plan="stop", spec="-")

    assert store.client.pttl(store.key("marks", "tidy")) > 0


def test_marks_stay_when_the_helper_comes_back(store: Store) -> None:
    due = plan_one(store)
    mark(store, "skip")
    store.register(plan="stop", spec="-")
    store.register()

    assert store.plan((SLOT, due)) == 0

    assert store.client.pttl(store.key("marks", "tidy")) == -1


def test_skipping_a_time_whose_execution_is_there_already_leaves_that_as_it_is(store: Store) -> None:
    """The record was overwritten as skipped, while its execution still stood in its queue."""
    store.register()
    due = store.now_ms() + 60_000
    store.plan(("@20260101T000000Z", due))
    store.publish("tidy@20260101T000000Z")

    record = Record(helper="tidy")
    answer = store.scripts.mark_plan("tidy", "@20260101T000000Z", "skip", due_ms=0, reason="no", record=record)

    assert (answer, store.slots()) == (0, {})
    assert store.status("tidy@20260101T000000Z") == "q"
