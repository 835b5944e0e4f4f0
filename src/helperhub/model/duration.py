"""Durations as people write them: ``30s``, ``5m``, ``2h``, ``1d``, ``500ms``, ``1h30m``."""

from __future__ import annotations

import re
from datetime import timedelta

from helperhub.errors import UsageError

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
#: Added to today, what is longer would leave what `datetime` and a record can hold.
_MOST_MS = 365_000 * _UNITS_MS["d"]
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_BARE_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` names.

    Args:
        text: One or more numbers with a unit each: ``ms``, ``s``, ``m``, ``h``, ``d`` or ``w``,
            such as ``90s`` or ``1h30m``.

    Raises:
        UsageError: ``text`` has no unit, an unknown one, isn't a duration at all, or one of over 1000 years.
    """
    compact = text.strip().replace(" ", "")
    if _BARE_NUMBER.fullmatch(compact):
        message = f"Duration '{text}' has no unit."
        raise UsageError(message, hint=f"Write '{compact}s', '{compact}m' or '{compact}h'.")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        message = f"'{text}' is not a duration."
        raise UsageError(message, hint="Write a number with a unit (ms, s, m, h, d, w), such as '90s' or '1h30m'.")
    ms = sum(float(number) * _UNITS_MS[unit] for number, unit in parts)
    if ms > _MOST_MS:
        message = f"'{text[:80]}' is longer than 1000 years."
        raise UsageError(message, hint="Take 366 days at most, or leave it out where there is to be no end.")
    return timedelta(milliseconds=ms)


def format_duration(duration: timedelta) -> str:
    """Return ``duration`` as the shortest text that `parse_duration` reads back."""
    rest = to_ms(duration)
    if rest <= 0:
        return "0s"
    parts = []
    for unit in ("w", "d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def to_ms(duration: timedelta) -> int:
    """Return ``duration`` in whole milliseconds."""
    return duration // timedelta(milliseconds=1)
