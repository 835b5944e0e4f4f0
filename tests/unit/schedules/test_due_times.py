from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import InvalidSchedule
from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.schedules.due_times import due_times, next_due

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SCHEDULES: list[Schedule] = [
    Daily("07:30", tz="Europe/Berlin"),
    Every(timedelta(minutes=7)),
    Cron("*/15 * * * *", tz="America/New_York"),
    Once(NOON + timedelta(hours=3)),
]


def stamps(schedule: Schedule, after: datetime, until: datetime, tz: str = "UTC") -> list[str]:
    return [f"{at:%m-%d %H:%M:%S}" for at in due_times(schedule, after=after, until=until, default_tz=tz)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_due_time_belongs_to_the_window_that_ends_with_it(schedule: Schedule) -> None:
    [first] = next_due(schedule, after=NOON, default_tz="UTC", count=1)

    ending = list(due_times(schedule, after=NOON, until=first, default_tz="UTC"))
    following = next(due_times(schedule, after=first, until=first + 2 * DAY, default_tz="UTC"), None)

    assert ending == [first]
    assert following != first


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_due_times_are_whole_utc_seconds_when_the_window_is_not(schedule: Schedule) -> None:
    after = NOON.astimezone(timezone(timedelta(hours=5))) + timedelta(milliseconds=1)

    found = list(due_times(schedule, after=after, until=after + 2 * DAY, default_tz="UTC"))

    assert found
    assert all(at.tzinfo is UTC and at.microsecond == 0 and at > after for at in found)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_window_without_length_has_no_due_times(schedule: Schedule) -> None:
    [first] = next_due(schedule, after=NOON, default_tz="UTC", count=1)

    found = list(due_times(schedule, after=first, until=first, default_tz="UTC"))

    assert found == []


def test_due_times_are_found_one_by_one_when_the_window_has_no_end_in_sight() -> None:
    endless = datetime.max.replace(tzinfo=UTC)

    found: Iterator[datetime] = due_times(Every(timedelta(seconds=1)), after=NOON, until=endless, default_tz="UTC")

    assert len(list(islice(found, 3))) == 3


def test_naive_window_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        due_times(SCHEDULES[0], after=NOON.replace(tzinfo=None), until=NOON, default_tz="UTC")


def test_unknown_zone_is_refused_before_the_first_due_time_is_asked_for() -> None:
    with pytest.raises(InvalidSchedule, match="'Mars/Olympus'"):
        due_times(Daily("07:30"), after=NOON, until=NOON, default_tz="Mars/Olympus")


def test_daily_follows_the_default_zone_when_it_names_none() -> None:
    found = stamps(Daily("07:30"), NOON, NOON + DAY, tz="Asia/Kolkata")

    assert found == ["11-24 02:00:00"]


@pytest.mark.parametrize(
    ("zone", "time", "day", "fired"),
    [
        pytest.param("Europe/Berlin", "02:30", "2026-03-29", "03-29 01:00:00", id="skipped: right after the gap"),
        pytest.param("Europe/Berlin", "02:00", "2026-03-29", "03-29 01:00:00", id="first skipped minute"),
        pytest.param("Europe/Berlin", "03:00", "2026-03-29", "03-29 01:00:00", id="first minute after the gap"),
        pytest.param("Europe/Berlin", "01:59:59", "2026-03-29", "03-29 00:59:59", id="last second before the gap"),
        pytest.param("Europe/Berlin", "02:30", "2026-10-25", "10-25 00:30:00", id="repeated: the first"),
        pytest.param("Europe/Berlin", "03:00", "2026-10-25", "10-25 02:00:00", id="after the repetition"),
        pytest.param("America/New_York", "02:30", "2026-03-08", "03-08 07:00:00", id="west of Greenwich"),
        pytest.param("Australia/Lord_Howe", "02:15", "2026-10-04", "10-03 15:30:00", id="half-hour gap"),
        pytest.param("Australia/Lord_Howe", "02:00", "2026-04-05", "04-04 15:30:00", id="half-hour repetition"),
        pytest.param("America/Santiago", "00:00", "2026-09-06", "09-06 04:00:00", id="gap at midnight"),
        pytest.param("America/Santiago", "00:59", "2026-09-06", "09-06 04:00:00", id="end of a gap at midnight"),
        pytest.param("America/Santiago", "23:30", "2026-04-04", "04-05 02:30:00", id="repeated before midnight"),
    ],
)
def test_daily_comes_once_on_the_day_of_a_change(zone: str, time: str, day: str, fired: str) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    before = midnight.astimezone(UTC) - timedelta(minutes=1)
    next_midnight = (midnight + DAY).astimezone(UTC) - timedelta(minutes=1)

    found = stamps(Daily(time, tz=zone), before, next_midnight)

    assert found == [fired]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Beirut"])
@pytest.mark.parametrize("time", ["00:00", "00:30", "02:30", "23:59:59"])
def test_daily_comes_on_every_day_of_a_year_when_the_zone_has_changes(zone: str, time: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(seconds=1)
    end = datetime(2027, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(seconds=1)

    found = list(due_times(Daily(time, tz=zone), after=start, until=end, default_tz="UTC"))

    assert len(found) == 365
    assert len({at.astimezone(ZoneInfo(zone)).date() for at in found}) == 365


def test_every_falls_on_round_times_when_it_has_no_start() -> None:
    found = stamps(Every(timedelta(minutes=20)), NOON, NOON + timedelta(hours=1))

    assert found == ["11-23 12:20:00", "11-23 12:40:00", "11-23 13:00:00"]


def test_every_counts_elapsed_time_when_the_clock_changes() -> None:
    start = datetime(2026, 3, 28, 9, tzinfo=ZoneInfo("Europe/Berlin"))

    found = stamps(Every(DAY, start=start), start.astimezone(UTC), start.astimezone(UTC) + 2 * DAY)

    assert found == ["03-29 08:00:00", "03-30 08:00:00"]


def test_every_begins_with_its_start_when_that_is_yet_to_come() -> None:
    start = NOON + timedelta(minutes=5, microseconds=7)

    found = stamps(Every(timedelta(minutes=1), start=start), NOON, NOON + timedelta(minutes=6))

    assert found == ["11-23 12:05:00", "11-23 12:06:00"]


@given(
    interval=st.integers(1, 366 * 86_400),
    start=st.datetimes(timezones=st.just(UTC), min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    after=st.datetimes(timezones=st.just(UTC), min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
)
def test_every_yields_the_next_of_its_series_wherever_the_window_begins(
    interval: int, start: datetime, after: datetime
) -> None:
    schedule = Every(timedelta(seconds=interval), start=start)

    first, second = next_due(schedule, after=after, default_tz="UTC", count=2)

    origin = start.replace(microsecond=0)
    assert (first - origin) % schedule.interval == timedelta(0)
    assert first > after
    assert first == origin or first - schedule.interval <= after
    assert second - first == schedule.interval


def test_once_comes_once_without_its_fraction_of_a_second() -> None:
    found = stamps(Once(NOON + timedelta(seconds=1, microseconds=999_999)), NOON, NOON + DAY)

    assert found == ["11-23 12:00:01"]


def test_next_due_finds_29_february_when_it_is_years_away() -> None:
    found = next_due(Cron("0 0 29 2 *"), after=NOON, default_tz="UTC", count=2)

    assert [f"{at:%Y-%m-%d}" for at in found] == ["2028-02-29", "2032-02-29"]


def test_next_due_bridges_the_eight_years_around_a_century() -> None:
    found = next_due(Cron("0 0 29 2 *"), after=datetime(2096, 3, 1, tzinfo=UTC), default_tz="UTC", count=1)

    assert [at.year for at in found] == [2104]


def test_next_due_gives_up_when_cron_does_not_fire_within_ten_years() -> None:
    fifth_monday_of_february = Cron("0 0 * 2 mon#5")  # next in 2044

    found = next_due(fifth_monday_of_february, after=NOON, default_tz="UTC", count=1)

    assert found == []


def test_next_due_has_fewer_when_the_schedule_ends() -> None:
    at = datetime(2050, 1, 1, tzinfo=UTC)

    found = next_due(Once(at), after=NOON, default_tz="UTC", count=5)

    assert found == [at]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_next_due_ends_with_the_calendar(schedule: Schedule) -> None:
    found = next_due(schedule, after=datetime(9998, 12, 31, 23, 59, tzinfo=UTC), default_tz="UTC", count=99)

    assert all(at.year <= 9999 for at in found)
    assert len(found) < 99
