"""Schedules: the rules that yield due times. What they yield is decided in `helperhub.schedules`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from helperhub.errors import InvalidSchedule

_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_NO_JITTER = timedelta(0)


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day at a wall-clock time.

    In a zone with daylight saving, a time that a change skips comes right after the gap, and one
    that a change repeats comes once, the first time.

    Args:
        at: Time of day, ``HH:MM`` or ``HH:MM:SS``.
        tz: IANA zone name; None means the hub's zone (``HELPERHUB_TIMEZONE``).
        jitter: A due time is put off by up to this, the same for everybody who computes it.

    Raises:
        InvalidSchedule: ``at`` isn't a time of day.
    """

    at: str
    tz: str | None = None
    jitter: timedelta = _NO_JITTER

    def __post_init__(self) -> None:
        """Refuse what isn't a time of day."""
        if not _TIME_OF_DAY.fullmatch(self.at):
            message = f"'{self.at}' is not a time of day."
            raise InvalidSchedule(message, hint="Write HH:MM or HH:MM:SS, such as '07:30'.")


@dataclass(frozen=True, slots=True)
class Every:
    """At a fixed interval of elapsed time, counted from ``start``.

    Args:
        interval: 1 second to 366 days, in whole seconds.
        start: An aware instant that belongs to the series; None means 1970-01-01 UTC, so that
            ``Every(timedelta(minutes=5))`` falls on :00, :05, :10.
        jitter: A due time is put off by up to this.

    Raises:
        InvalidSchedule: ``interval`` is out of range, or ``start`` is naive.
    """

    interval: timedelta
    start: datetime | None = None
    jitter: timedelta = _NO_JITTER

    def __post_init__(self) -> None:
        """Refuse intervals that can't be kept and starts that name no instant."""
        if not timedelta(seconds=1) <= self.interval <= timedelta(days=366) or self.interval.microseconds:
            message = f"Interval {self.interval} is out of range."
            raise InvalidSchedule(message, hint="Take whole seconds, from 1 second to 366 days.")
        if self.start is not None and self.start.tzinfo is None:
            message = f"Start {self.start} names no offset from UTC."
            raise InvalidSchedule(message, hint="Give an aware datetime, such as datetime(2026, 1, 1, tzinfo=UTC).")


@dataclass(frozen=True, slots=True)
class Cron:
    """When a crontab line would fire, by the rules of Debian's cron.

    Args:
        expression: Five fields (minute, hour, day, month, weekday; 0 and 7 are Sunday) or an alias
            such as ``@daily``.
        tz: IANA zone name; None means the hub's zone (``HELPERHUB_TIMEZONE``).
        jitter: A due time is put off by up to this.
    """

    expression: str
    tz: str | None = None
    jitter: timedelta = _NO_JITTER


@dataclass(frozen=True, slots=True)
class Once:
    """One time.

    Args:
        at: An aware instant; a second's fraction is cut off.

    Raises:
        InvalidSchedule: ``at`` is naive.
    """

    at: datetime

    def __post_init__(self) -> None:
        """Refuse a time that names no instant."""
        if self.at.tzinfo is None:
            message = f"Time {self.at} names no offset from UTC."
            raise InvalidSchedule(message, hint="Give an aware datetime, such as datetime(2026, 1, 1, tzinfo=UTC).")


Schedule = Daily | Every | Cron | Once
