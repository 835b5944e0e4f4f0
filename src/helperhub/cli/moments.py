"""Times and durations as people read them: UTC, with how far away that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: The largest unit of which there are at least two: '90s' says more than '1m'.
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def read_clock() -> datetime:
    """Return this machine's time, UTC; only for showing and for words such as ``2h`` ago."""
    return datetime.now(UTC)


def show_moment(at: datetime | None, now: datetime) -> str:
    """Return ``at`` as ``2026-11-23 08:30:00Z, in 12m``, or nothing if there is none."""
    if at is None:
        return ""
    return f"{show_utc(at)}, {show_distance(at - now)}"


def show_utc(at: datetime) -> str:
    """Return ``at`` as ``2026-11-23 08:30:00Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def show_distance(distance: timedelta) -> str:
    """Return ``in 12m`` or ``12m ago``; ``now`` below a second."""
    seconds = abs(distance).total_seconds()
    if seconds < 1:
        return "now"
    words = _coarse(seconds)
    return f"in {words}" if distance > timedelta(0) else f"{words} ago"


def show_span(span: timedelta) -> str:
    """Return how long something took, such as ``340ms``, ``12.5s`` or ``3m``."""
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    return f"{seconds:.1f}s" if seconds < 120 else _coarse(seconds)


def _coarse(seconds: float) -> str:
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds)}s"
