"""The planned instants of a schedule: aware, UTC, whole seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import assert_never

from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.schedules.cron import cron_times, parse_cron
from helperhub.schedules.wall_clock import one_instant, wall_time
from helperhub.schedules.zones import load_zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Python's calendar ends with the year 9999; a year's distance spares every search the edge.
_END = datetime(9999, 1, 1, tzinfo=UTC)
_ONE_DAY = timedelta(days=1)
#: 29 February comes at least every 8 years; a line that is rarer counts as never.
_CRON_HORIZON = timedelta(days=3660)


def due_times(schedule: Schedule, *, after: datetime, until: datetime, default_tz: str) -> Iterator[datetime]:
    """Return the planned instants after ``after`` and up to ``until``, ascending and lazily.

    The same arguments give the same instants on every machine, and a window may be cut anywhere:
    (a, b] and (b, c] together are (a, c].

    Args:
        schedule: The rule.
        after: Aware; itself not included.
        until: Aware; itself included.
        default_tz: IANA name of the zone for schedules that name none.

    Raises:
        InvalidSchedule: The zone or the cron expression can't be understood.
        ValueError: ``after`` or ``until`` is naive.
    """
    _check_aware(after, until)
    after, until = after.astimezone(UTC), min(until, _END).astimezone(UTC)
    match schedule:
        case Daily():
            return _daily(schedule, after, until, load_zone(schedule.tz or default_tz))
        case Every():
            return _every(schedule, after, until)
        case Cron():
            zone = load_zone(schedule.tz or default_tz)
            return cron_times(parse_cron(schedule.expression), after=after, until=until, zone=zone)
        case Once():
            at = _whole_second(schedule.at)
            return iter([at] if after < at <= until else [])
        case _:
            assert_never(schedule)


def next_due(schedule: Schedule, *, after: datetime, default_tz: str, count: int) -> list[datetime]:
    """Return the first ``count`` planned instants after ``after``.

    There are fewer if the schedule ends before, or is a cron line that doesn't fire that often in the
    ten years that are searched.

    Args:
        schedule: The rule.
        after: Aware; itself not included.
        default_tz: IANA name of the zone for schedules that name none.
        count: How many are wanted.

    Raises:
        InvalidSchedule: The zone or the cron expression can't be understood.
        ValueError: ``after`` is naive.
    """
    _check_aware(after)
    until = min(after, _END - _CRON_HORIZON) + _CRON_HORIZON if isinstance(schedule, Cron) else _END
    return list(islice(due_times(schedule, after=after, until=until, default_tz=default_tz), count))


def _check_aware(*times: datetime) -> None:
    for at in times:
        if at.tzinfo is None:
            message = f"{at} is naive; give an aware datetime"
            raise ValueError(message)


def _daily(schedule: Daily, after: datetime, until: datetime, zone: tzinfo) -> Iterator[datetime]:
    clock = time.fromisoformat(schedule.at)
    day: date = wall_time(after, zone).date()
    latest = after
    while (at := one_instant(datetime.combine(day, clock), zone)) <= until:
        if at > latest:
            latest = at
            yield at
        day += _ONE_DAY


def _every(schedule: Every, after: datetime, until: datetime) -> Iterator[datetime]:
    start = _EPOCH if schedule.start is None else _whole_second(schedule.start)
    at = start + max((after - start) // schedule.interval + 1, 0) * schedule.interval
    while at <= until:
        yield at
        at += schedule.interval


def _whole_second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)
