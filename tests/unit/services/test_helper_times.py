"""The next due times of a helper, with what a change of its zone's clock does to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from helperhub.model.helper import HelperSpec
from helperhub.model.schedule import Daily, Every, Schedule
from helperhub.services.helper_times import next_times

#: Berlin's clock goes forward at 01:00 UTC on 29 March 2026, and back on 25 October.
SPRING, AUTUMN = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)


def times_of(now: datetime, **schedules: Schedule) -> list[tuple[str, str | None, str]]:
    found = next_times(HelperSpec("it", schedules=schedules), now=now, default_tz="Europe/Berlin", count=2)
    return [(one["at"], one["local"], one["note"]) for one in found]


def test_time_that_the_clock_skips_is_told() -> None:
    first, second = times_of(SPRING, it=Daily("02:30"))

    assert first[:2] == ("2026-03-29T01:00:00Z", "2026-03-29 03:00:00")
    assert "02:30 is skipped" in first[2]
    assert "from UTC+1:00 to UTC+2:00" in second[2]


def test_time_that_the_clock_shows_twice_is_told() -> None:
    first, _ = times_of(AUTUMN, it=Daily("02:30"))

    assert first[2] == "The clock shows 02:30 twice that day."


@pytest.mark.parametrize("schedule", [Daily("02:30", tz="UTC"), Every(timedelta(hours=1))])
def test_schedule_that_no_clock_changes_has_no_notes(schedule: Schedule) -> None:
    assert [note for _, _, note in times_of(SPRING, it=schedule)] == ["", ""]


def test_times_of_several_schedules_come_in_order_with_their_names() -> None:
    spec = HelperSpec("it", schedules={"late": Daily("20:00"), "early": Daily("18:00")})

    found = next_times(spec, now=AUTUMN, default_tz="UTC", count=3)

    assert [one["schedule"] for one in found] == ["early", "late", "early"]


def test_helper_that_is_off_is_due_never() -> None:
    spec = HelperSpec("it", schedules={"": Daily("20:00")}, enabled=False)

    assert next_times(spec, now=AUTUMN, default_tz="UTC", count=3) == []
