"""The plan: entered once, by the planner that saw the present state; what people marked stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helperhub.store.record import Record

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

MINUTE_MS = 60_000


def missed_row(id_: str, count: int) -> tuple[str, Record, str, str]:
    return id_, Record(helper="tidy", planned_ms=1, due_ms=1, count=count), "k", "missed"


def test_due_times_are_entered_and_the_helper_stands_at_its_next_one(store: Store) -> None:
    store.register()
    now = store.now_ms()

    assert store.plan(("@2", now + 2 * MINUTE_MS), ("@1", now + MINUTE_MS)) == 2

    assert store.slots() == {"@1": now + MINUTE_MS, "@2": now + 2 * MINUTE_MS}
    assert store.catalogue.next_due() == {"tidy": now + MINUTE_MS}


def test_planning_twice_changes_nothing(store: Store) -> None:
    store.register()
    due, until = store.now_ms() + MINUTE_MS, store.now_ms() + 2 * MINUTE_MS
    store.plan(("@1", due), until_ms=until)
    before = store.snapshot()

    assert store.plan(("@1", due), until_ms=until) == 0
    assert store.snapshot() == before


def test_planner_that_saw_an_older_state_enters_nothing(store: Store) -> None:
    state = store.register()
    now = store.now_ms()
    store.plan(("@1", now + MINUTE_MS), state=state)
    before = store.snapshot()

    assert store.plan(("@1", now + MINUTE_MS), ("@2", now + 2 * MINUTE_MS), state=state) == -1
    assert store.snapshot() == before


def test_helper_that_changed_meanwhile_isnt_planned_by_what_it_was(store: Store) -> None:
    state = store.register()
    store.register()

    assert store.plan(("@1", store.now_ms() + MINUTE_MS), state=state) == -1
    assert store.slots() == {}


def test_helper_that_isnt_planned_any_more_gets_no_due_times(store: Store) -> None:
    state = store.register()
    store.register(plan="stop")

    assert store.plan(("@1", store.now_ms() + MINUTE_MS), state=state) == -1
    assert store.slots() == {}


def test_due_time_that_is_planned_keeps_its_place_when_it_is_planned_again(store: Store) -> None:
    """Planning again must not undo what jitter or a person decided: NX."""
    store.register()
    due = store.now_ms() + MINUTE_MS
    store.plan(("@1", due))

    store.plan(("@1", due + 5_000))

    assert store.slots() == {"@1": due}


def test_due_time_that_has_its_execution_isnt_planned_again(store: Store) -> None:
    store.register()
    due = store.now_ms()
    store.plan(("@1", due))
    store.promote("@1", due)

    assert store.plan(("@1", due)) == 0

    assert store.slots() == {}


def test_missed_due_times_share_one_row_of_the_history(store: Store) -> None:
    store.register()

    store.plan(missed=[missed_row("tidy@1", 250)])

    record = store.record("tidy@1")
    assert (record.status, record.count, record.reason) == ("k", 250, "missed")
    assert store.counters() == {"k": 1}


def test_missed_due_times_are_recorded_once(store: Store) -> None:
    store.register()
    store.plan(missed=[missed_row("tidy@1", 250)])

    store.plan(missed=[missed_row("tidy@1", 300)])

    assert store.record("tidy@1").count == 250
    assert [found.id for found in store.executions.finished()] == ["tidy@1"]


def test_many_helpers_are_planned_in_one_call_and_each_is_judged_alone(store: Store) -> None:
    store.register("tidy")
    old = store.register("report")
    store.register("report")
    now = store.now_ms()

    assert store.plan(("@1", now + MINUTE_MS), helper="tidy") == 1
    assert store.plan(("@1", now + MINUTE_MS), helper="report", state=old) == -1


def test_marks_past_their_time_are_forgotten_and_others_stay(store: Store) -> None:
    store.register()
    due = store.now_ms() + MINUTE_MS
    store.plan(("@20260101T000000Z", due), ("@20260301T000000Z", due))
    for slot in store.slots():
        store.scripts.mark_plan("tidy", slot, "skip", due_ms=0, reason="", record=Record(helper="tidy"))

    store.plan(oldest="20260201T000000Z")

    assert store.client.hkeys(store.key("marks", "tidy")) == [b"@20260301T000000Z"]
