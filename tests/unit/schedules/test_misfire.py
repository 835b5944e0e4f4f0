from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.schedules.misfire import Action, Compressed, Decision, DueSlot, compress, decide_due

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GRACE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def slot(minutes_ago: float, schedule: str = "", *, asked: bool = False, delay: timedelta = timedelta(0)) -> DueSlot:
    planned_at = NOW - timedelta(minutes=minutes_ago)
    return DueSlot(schedule, planned_at, planned_at + delay, asked=asked)


def decide(*slots: DueSlot, expires_after: timedelta | None = None) -> list[Decision]:
    return decide_due(slots, now=NOW, grace=GRACE, expires_after=expires_after)


def actions(decisions: list[Decision]) -> list[str]:
    return [decision.action.value for decision in decisions]


def test_slot_is_enqueued_without_a_reason_when_it_is_no_later_than_the_grace() -> None:
    assert decide(slot(1)) == [Decision(slot(1), Action.ENQUEUE)]


def test_latest_missed_slot_runs_late_and_the_others_are_skipped() -> None:
    decisions = decide(slot(30), slot(20), slot(10))

    assert decisions == [
        Decision(slot(30), Action.SKIP, "missed; superseded by 20261123T115000Z"),
        Decision(slot(20), Action.SKIP, "missed; superseded by 20261123T115000Z"),
        Decision(slot(10), Action.ENQUEUE, "missed; run late by 10m"),
    ]


def test_no_missed_slot_runs_late_when_one_that_is_not_missed_is_due_as_well() -> None:
    decisions = decide(slot(20), slot(10), slot(0.5))

    assert actions(decisions) == ["skip", "skip", "enqueue"]
    assert {decision.reason for decision in decisions[:2]} == {"missed; superseded by 20261123T115930Z"}


def test_every_slot_is_enqueued_when_none_is_missed() -> None:
    assert actions(decide(slot(1), slot(0.5), slot(0))) == ["enqueue", "enqueue", "enqueue"]


def test_missed_slot_expires_when_its_expiry_has_passed() -> None:
    decisions = decide(slot(42), slot(10), expires_after=timedelta(minutes=30))

    assert decisions == [
        Decision(slot(42), Action.EXPIRE, "missed while nothing could enqueue it; expired 12m ago"),
        Decision(slot(10), Action.ENQUEUE, "missed; run late by 10m"),
    ]


def test_missed_slot_runs_late_when_its_expiry_passes_just_now() -> None:
    assert actions(decide(slot(30), expires_after=timedelta(minutes=30))) == ["enqueue"]


def test_slot_within_the_grace_is_left_to_the_claim_when_its_expiry_has_passed() -> None:
    assert actions(decide(slot(1), expires_after=timedelta(seconds=5))) == ["enqueue"]


def test_lateness_is_counted_from_the_due_time_when_that_is_later_than_the_planned_time() -> None:
    moved = slot(60, delay=timedelta(minutes=59, seconds=30))

    assert decide(moved, expires_after=GRACE) == [Decision(moved, Action.ENQUEUE)]


def test_slot_that_a_person_asked_for_is_enqueued_however_late_it_is() -> None:
    asked = slot(600, asked=True)

    assert decide(asked, expires_after=HOUR) == [Decision(asked, Action.ENQUEUE)]


def test_missed_slot_that_a_person_asked_for_does_not_stand_in_for_others() -> None:
    decisions = decide(slot(20), slot(15), slot(10, asked=True))

    assert actions(decisions) == ["skip", "enqueue", "enqueue"]


def test_schedules_are_judged_each_for_itself_when_a_helper_has_several() -> None:
    decisions = decide(slot(10, "report"), slot(30, "digest"), slot(20, "digest"), slot(0, "report"))

    assert [(decision.slot.schedule, decision.action.value) for decision in decisions] == [
        ("digest", "skip"),
        ("digest", "enqueue"),
        ("report", "skip"),
        ("report", "enqueue"),
    ]


@pytest.mark.parametrize(
    ("minutes_ago", "lateness"), [(1.5, "1m"), (59.99, "59m"), (125, "2h5m"), (24 * 60 + 90, "1d1h")]
)
def test_lateness_is_told_as_coarsely_as_people_need_it(minutes_ago: float, lateness: str) -> None:
    [decision] = decide(slot(minutes_ago))

    assert decision.reason == f"missed; run late by {lateness}"


@given(
    slots=st.lists(
        st.builds(slot, st.integers(0, 90), st.sampled_from(["", "a"]), asked=st.booleans()),
        unique_by=lambda one: (one.schedule, one.planned_at),
    ),
    expires_after=st.none() | st.just(HOUR),
)
def test_every_slot_gets_one_decision_and_every_schedule_at_most_one_late_run(
    slots: list[DueSlot], expires_after: timedelta | None
) -> None:
    decisions = decide(*slots, expires_after=expires_after)

    late = [decision.slot.schedule for decision in decisions if "run late" in decision.reason]
    assert {decision.slot for decision in decisions} == set(slots)
    assert len(decisions) == len(slots)
    assert len(late) == len(set(late))
    assert all(decision.reason for decision in decisions if decision.action is not Action.ENQUEUE)
    planned = [decision.slot.planned_at for decision in decisions]
    assert planned == sorted(planned)


def test_compress_keeps_the_last_and_counts_the_older_ones() -> None:
    planned = [NOW - timedelta(seconds=n) for n in range(10_800)]

    kept, older = compress(planned, keep=2)

    assert kept == [NOW - timedelta(seconds=1), NOW]
    assert older == Compressed(NOW - timedelta(seconds=10_799), NOW - timedelta(seconds=2), 10_798)


def test_compress_changes_nothing_when_there_are_few() -> None:
    assert compress([NOW], keep=1) == ([NOW], None)
    assert compress([], keep=0) == ([], None)


def test_compress_keeps_none_when_none_is_to_be_kept() -> None:
    assert compress([NOW, NOW + HOUR], keep=0) == ([], Compressed(NOW, NOW + HOUR, 2))


def test_compress_refuses_to_keep_less_than_none() -> None:
    with pytest.raises(ValueError, match="keep=-1 is negative"):
        compress([NOW], keep=-1)
