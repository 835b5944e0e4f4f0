"""Wall-clock times and the instants they name where a zone changes its offset.

PEP 495 gives a wall-clock time two readings: ``fold=0`` takes the offset before a change, ``fold=1``
the one after it. They differ only for times that a change skips (the offset grows: a gap) or repeats
(it shrinks). All arithmetic here is on UTC: adding to an aware local time ignores changes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_NOTHING = timedelta(0)
_SECOND = timedelta(seconds=1)


def wall_time(at: datetime, zone: tzinfo) -> datetime:
    """Return what a clock in ``zone`` shows at ``at``, as a naive time."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def skipped_by(local: datetime, zone: tzinfo) -> timedelta:
    """Return how long the gap is that ``local`` (naive) falls into; zero if the clock shows it."""
    return max(_offset(local, zone, fold=1) - _offset(local, zone, fold=0), _NOTHING)


def shown_at(local: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """Return the instants at which a clock in ``zone`` shows ``local`` (naive): none, one or two."""
    before, after = _offset(local, zone, fold=0), _offset(local, zone, fold=1)
    if before == after:
        return (_instant(local, before),)
    return () if before < after else (_instant(local, before), _instant(local, after))


def one_instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the one instant at which what is set for ``local`` (naive) comes.

    A repeated time comes the first time, a skipped one right after its gap.
    """
    shown = shown_at(local, zone)
    return shown[0] if shown else _end_of_gap(local, zone)


def _end_of_gap(local: datetime, zone: tzinfo) -> datetime:
    local = local.replace(microsecond=0)
    before, after = _offset(local, zone, fold=0), _offset(local, zone, fold=1)
    # The clock jumps from one offset to the other in (low, high], and only once there.
    low, high = _instant(local, after), _instant(local, before)
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _offset(local: datetime, zone: tzinfo, *, fold: int) -> timedelta:
    return local.replace(tzinfo=zone, fold=fold).utcoffset() or _NOTHING


def _instant(local: datetime, offset: timedelta) -> datetime:
    return (local - offset).replace(tzinfo=UTC, fold=0)
