"""Spans of time as the hours, days and weeks of UTC that they are made of."""

from __future__ import annotations

from typing import NamedTuple

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
#: Weeks begin when 1970 did, on Thursday at 0:00 UTC: nobody sees them, they only make long spans few rows.
WEEK_MS = 7 * DAY_MS
#: Length of each period, ms, shortest first; each begins when one of the shorter ones does.
LENGTHS_MS = {"hour": HOUR_MS, "day": DAY_MS, "week": WEEK_MS}
#: A longer span is widened to whole days.
MOST_WITH_HOURS_MS = 62 * DAY_MS


class Stretch(NamedTuple):
    """Periods of one length that follow each other.

    Args:
        period: One of `LENGTHS_MS`.
        since_ms: The first one's first ms.
        until_ms: The first ms after the last one.
    """

    period: str
    since_ms: int
    until_ms: int


def split_span(since_ms: int, until_ms: int, *, hours_since_ms: int | None) -> list[Stretch]:
    """Return the periods that make up a span, widened to whole hours; empty if it is.

    Long ones in the middle, shorter ones at both ends, so that they are few. A span of more than 62 days, and an end
    for which hours aren't kept any more, is widened to whole days.

    Args:
        since_ms: Its first ms.
        until_ms: The first ms after it.
        hours_since_ms: From when on there are hours; None if there are none.
    """
    if since_ms >= until_ms:
        return []
    is_long = until_ms - since_ms > MOST_WITH_HOURS_MS

    def length_at(at_ms: int) -> int:
        has_hours = hours_since_ms is not None and at_ms >= hours_since_ms
        return HOUR_MS if has_hours and not is_long else DAY_MS

    since = floor_to(since_ms, length_at(since_ms))
    until = ceil_to(until_ms, length_at(floor_to(until_ms - 1, DAY_MS)))
    return _split(since, until, list(LENGTHS_MS))


def floor_to(at_ms: int, length_ms: int) -> int:
    """Return when the period that holds an instant begins."""
    return at_ms - at_ms % length_ms


def ceil_to(at_ms: int, length_ms: int) -> int:
    """Return when the first period begins that isn't before an instant."""
    return floor_to(at_ms + length_ms - 1, length_ms)


def _split(since_ms: int, until_ms: int, periods: list[str]) -> list[Stretch]:
    if since_ms >= until_ms:
        return []
    *shorter, period = periods
    length = LENGTHS_MS[period]
    first, last = ceil_to(since_ms, length), floor_to(until_ms, length)
    if first >= last:
        return _split(since_ms, until_ms, shorter)
    return [*_split(since_ms, first, shorter), Stretch(period, first, last), *_split(last, until_ms, shorter)]


__all__ = ["DAY_MS", "HOUR_MS", "LENGTHS_MS", "Stretch", "ceil_to", "floor_to", "split_span"]
