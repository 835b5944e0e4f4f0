"""Weeks by name: their days in a zone, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from helperhub.errors import UsageError
from helperhub.schedules.weeks import Week


def hours_of(week: Week) -> list[float]:
    return [(week.day_start(day + 1) - week.day_start(day)) / timedelta(hours=1) for day in range(7)]


def test_week_begins_on_monday_in_its_zone() -> None:
    week = Week.parse("2026-W47", "Europe/Berlin")

    assert week.day_start(0) == datetime(2026, 11, 15, 23, tzinfo=UTC)
    assert week.day_start(7) == datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert week.name == "2026-W47"
    assert week.previous().name == "2026-W46"


@pytest.mark.parametrize(("name", "sunday"), [("2026-W13", 23), ("2026-W43", 25)])
def test_sunday_of_a_change_of_clocks_has_its_own_length(name: str, sunday: int) -> None:
    assert hours_of(Week.parse(name, "Europe/Berlin")) == [24, 24, 24, 24, 24, 24, sunday]


def test_weeks_follow_each_other_without_a_gap_in_zones_of_half_hours() -> None:
    week = Week.parse("2026-W47", "Asia/Kolkata")

    assert week.previous().day_start(7) == week.day_start(0)
    assert week.day_start(0).minute == 0


def test_last_week_is_the_one_that_is_over_there() -> None:
    # Sunday evening in UTC is Monday in Tokyo.
    now = datetime(2026, 11, 22, 20, tzinfo=UTC)

    assert Week.last_before(now, "UTC").name == "2026-W46"
    assert Week.last_before(now, "Asia/Tokyo").name == "2026-W47"


def test_first_week_of_a_year_may_begin_in_the_year_before() -> None:
    assert Week.parse("2026-W01", "UTC").dates()[0].isoformat() == "2025-12-29"


@pytest.mark.parametrize("text", ["", "47", "2026-47", "2026-W60", "2026-W53x", "0001-W01", "9999-W53", "2025-W53"])
def test_what_is_no_week_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="2026-W47"):
        Week.parse(text, "UTC")
