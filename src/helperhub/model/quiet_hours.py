"""Quiet hours: spans of the day, in somebody's zone, in which only what is critical may disturb."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from helperhub.errors import UsageError

_SPAN = re.compile(
    r"(?:(?P<first>mon|tue|wed|thu|fri|sat|sun)(?:-(?P<last>mon|tue|wed|thu|fri|sat|sun))?\s+)?"
    r"(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)"
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL_DAYS = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class QuietSpan:
    """One span.

    Args:
        days: Days on which it begins, 0 is Monday.
        begins: Its first minute, on the wall.
        ends: The minute after its last; not after ``begins`` means on the next day.
    """

    days: frozenset[int]
    begins: time
    ends: time

    def has(self, wall: datetime) -> bool:
        """Return whether a time on the wall is within the span."""
        now, today, yesterday = wall.time(), wall.weekday(), (wall.weekday() - 1) % 7
        if self.begins < self.ends:
            return today in self.days and self.begins <= now < self.ends
        return (today in self.days and now >= self.begins) or (yesterday in self.days and now < self.ends)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Spans in one zone.

    Args:
        spans: Any of them is quiet.
        zone: IANA name.
    """

    spans: tuple[QuietSpan, ...] = ()
    zone: str = "UTC"

    def has(self, at: datetime) -> bool:
        """Return whether it is quiet at an aware time."""
        if not self.spans:
            return False
        wall = at.astimezone(ZoneInfo(self.zone))
        return any(span.has(wall) for span in self.spans)


def parse_quiet_span(text: str) -> QuietSpan:
    """Return the span that ``text`` names: ``22:00-07:00``, ``sat-sun 00:00-00:00``, ``fri 18:00-20:00``.

    One that ends where it begins is a whole day long.

    Raises:
        UsageError: It isn't one.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    try:
        if found is None:
            raise ValueError  # noqa: TRY301 - refused below, like 25:00
        begins, ends = time.fromisoformat(found["from"]), time.fromisoformat(found["to"])
    except ValueError as error:
        message = f"'{text}' isn't a span of quiet hours."
        raise UsageError(message, hint="Write 22:00-07:00, or sat-sun 00:00-00:00 for whole days.") from error
    if found["first"] is None:
        return QuietSpan(_ALL_DAYS, begins, ends)
    first = _DAYS.index(found["first"])
    count = (_DAYS.index(found["last"]) - first) % 7 + 1 if found["last"] else 1
    return QuietSpan(frozenset((first + step) % 7 for step in range(count)), begins, ends)
