from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from helperhub.model.schedule import Daily, Every, Once
from helperhub.schedules.jitter import due_at

PLANNED = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
HALF_A_MINUTE = timedelta(seconds=30)


@given(
    key=st.text(max_size=20),
    jitter=st.timedeltas(timedelta(0), timedelta(days=2)),
    later=st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_due_time_is_never_before_the_planned_time_nor_later_than_the_jitter(
    key: str, jitter: timedelta, later: timedelta
) -> None:
    planned = PLANNED + later

    due = due_at(Daily("08:30", jitter=jitter), planned, key=key)

    assert planned <= due <= planned + jitter


def test_due_time_is_the_same_on_every_machine() -> None:
    due = due_at(Every(timedelta(minutes=5), jitter=HALF_A_MINUTE), PLANNED, key="weather/berlin#digest")

    # A constant on purpose: another hash would move every planned execution of a running hub.
    assert due - PLANNED == timedelta(milliseconds=12493)


def test_due_times_spread_over_the_jitter_when_many_helpers_share_a_second() -> None:
    schedule = Daily("08:30", jitter=HALF_A_MINUTE)

    delays = sorted((due_at(schedule, PLANNED, key=f"helper{n}") - PLANNED).total_seconds() for n in range(1000))

    assert delays[0] < 1
    assert delays[-1] > 29
    assert 14 < delays[500] < 16


def test_due_time_of_one_helper_varies_from_day_to_day() -> None:
    schedule = Daily("08:30", jitter=HALF_A_MINUTE)
    days = [PLANNED + timedelta(days=n) for n in range(20)]

    delays = {due_at(schedule, day, key="weather") - day for day in days}

    assert len(delays) > 15


def test_due_time_is_the_planned_time_when_there_is_no_jitter() -> None:
    assert due_at(Daily("08:30"), PLANNED, key="weather") == PLANNED
    assert due_at(Once(PLANNED), PLANNED, key="weather") == PLANNED
