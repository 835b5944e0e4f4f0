"""Cron due times against Debian's ``cron.c``, played minute by minute over changes of the clock.

The oracle shares nothing with the code: it has its own reader of the five fields, and follows the
main loop of ``cron.c`` (3.0pl1), which compares the wall clock with a virtual one that only stands
or goes forward.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from helperhub.model.schedule import Cron
from helperhub.schedules.due_times import due_times

MINUTE = timedelta(minutes=1)
NAMES = {"sun": 0, "mon": 1, "fri": 5, "mar": 3, "apr": 4, "sep": 9, "oct": 10}
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

#: Zone and the UTC day of a change: forward and back, by an hour, by half an hour, at midnight
#: (Santiago), around Ramadan (Casablanca), by two hours (Troll), by three (Casey), by a day (Apia).
CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("America/Santiago", "2026-09-06"),
    ("America/Santiago", "2026-04-05"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Troll", "2026-10-25"),
    ("Antarctica/Casey", "2010-03-04"),
    ("Pacific/Apia", "2011-12-30"),
]
EXPRESSIONS = [
    "* * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "59 * * * *",
    "@hourly",
    "0 */2 * * *",
    "30 */3 * * *",
    "15,45 */2 * * *",
    "0 */5 * * sun",
    "* 2 * * *",
    "*/30 1-3 * * *",
    "*/20 0 * * 0,6",
    "0-59 2 * * *",
    "0-59/30 1-5 * * *",
    "0 0 * * *",
    "@daily",
    "1 0 * * *",
    "30 0 * * *",
    "30 23 * * *",
    "59 23 * * *",
    "0 1 * * *",
    "30 1 * * *",
    "45 1 * * *",
    "0 2 * * *",
    "15 2 * * *",
    "30 2 * * *",
    "0,30 2 * * *",
    "0 2,3 * * *",
    "59 2 * * *",
    "0 3 * * *",
    "30 3 * * *",
    "0 0-23 * * *",
    "10 0-23/2 * * *",
    "5-10/5 1,2,3 * * *",
    "0 0 29 3 *",
    "30 2 29 mar *",
    "30 2 25 oct sun",
    "0 0 1-7 * sun",
    "30 2 */2 * sun",
    "0 0 * sep,apr sun",
    "30 1 * * 7",
    "30 2 1 * 0",
    "@weekly",
    "@monthly",
    "0 12 * * mon-fri",
]
ALIASES = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}


class Moment(NamedTuple):
    """A UTC minute and what the wall clock shows then."""

    at: datetime
    wall: datetime


class Line:
    """A crontab line, read as ``entry.c`` does."""

    def __init__(self, expression: str) -> None:
        fields = ALIASES.get(expression, expression).split()
        self.minutes, self.hours, self.days, self.months, weekdays = (
            {value for term in field.split(",") for value in self.read(term, *limits)}
            for field, limits in zip(fields, LIMITS, strict=True)
        )
        self.weekdays = {weekday % 7 for weekday in weekdays}
        self.wild = fields[0].startswith("*") or fields[1].startswith("*")
        self.both = fields[2].startswith("*") or fields[4].startswith("*")

    @staticmethod
    def read(term: str, low: int, high: int) -> range:
        span, _, step = term.partition("/")
        first, dash, last = span.partition("-")
        if first == "*":
            return range(low, high + 1, int(step or 1))
        start, stop = (int(NAMES.get(text, text)) for text in (first, last if dash else first))
        return range(start, stop + 1, int(step or 1))

    def matches(self, wall: datetime) -> bool:
        if wall.minute not in self.minutes or wall.hour not in self.hours or wall.month not in self.months:
            return False
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.both else (day or weekday)


def moments(zone: str, day: str) -> list[Moment]:
    first = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1)
    utc = [first + number * MINUTE for number in range(3 * 24 * 60)]
    return [Moment(at, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)) for at in utc]


def played_by_debian(line: Line, played: list[Moment]) -> Iterator[datetime]:
    virtual = played[0].wall - MINUTE
    for at, wall in played:
        ahead = (wall - virtual) // MINUTE
        if ahead == 1 or abs(ahead) > 180:  # an ordinary minute, or a corrected clock
            virtual = wall
            due = line.matches(wall)
        elif ahead > 1:  # forward: wild lines now, the others for each minute left out
            due = line.wild and line.matches(wall)
            while virtual < wall:
                virtual += MINUTE
                due = due or (not line.wild and line.matches(virtual))
        else:  # back: only wild lines, until the wall clock has caught up
            due = line.wild and line.matches(wall)
        if due:
            yield at


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_cron_fires_as_debians_cron_does_when_the_clock_changes(zone: str, day: str) -> None:
    played = moments(zone, day)
    after, until = played[0].at - MINUTE, played[-1].at
    assert played[-1].wall - played[0].wall != until - played[0].at, "the clock doesn't change here"

    fired = {
        expression: list(due_times(Cron(expression, tz=zone), after=after, until=until, default_tz="UTC"))
        for expression in EXPRESSIONS
    }

    assert fired == {expression: list(played_by_debian(Line(expression), played)) for expression in EXPRESSIONS}


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize("expression", ["*/30 * * * *", "0,30 1,2 * * *", "20 0-23 * * *"])
def test_cron_loses_and_repeats_nothing_when_the_window_is_cut_anywhere(zone: str, day: str, expression: str) -> None:
    schedule = Cron(expression, tz=zone)
    first = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=6)
    cuts = [first + number * timedelta(minutes=29, seconds=30) for number in range(72)]

    pieces = [
        at for after, until in pairwise(cuts) for at in due_times(schedule, after=after, until=until, default_tz="UTC")
    ]

    assert pieces == list(due_times(schedule, after=cuts[0], until=cuts[-1], default_tz="UTC"))


def test_cron_fires_at_2_in_lord_howe_when_half_an_hour_is_repeated_before_it() -> None:
    # cronsim 2.8 alone leaves 02:00 (15:30Z) out.
    schedule = Cron("0 */2 * * *", tz="Australia/Lord_Howe")
    after, until = datetime(2026, 4, 4, 12, tzinfo=UTC), datetime(2026, 4, 4, 18, tzinfo=UTC)

    fired = due_times(schedule, after=after, until=until, default_tz="UTC")

    assert [f"{at:%H:%M}" for at in fired] == ["13:00", "15:30", "17:30"]
