"""How much of a helper may run at once, and how often it may start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.duration import format_duration, parse_duration

#: As many start times are kept for each rate.
MAX_RATE = 10_000
_MAX_CONCURRENCY = 1_000_000
_MIN_WINDOW, _MAX_WINDOW = timedelta(milliseconds=100), timedelta(days=31)
_RATE = re.compile(r"(\d+)\s*/\s*(\S.*)")
_UNIT = re.compile(r"[a-z]+")
_RATE_HINT = "Write a number of starts and a span, such as '100/m', '1/s' or '5/10m'."
#: The limits that an operator may change.
LIMIT_NAMES = ("concurrency", "concurrency_per_key", "rate", "rate_per_key")
_PER_KEY = frozenset({"concurrency_per_key", "rate_per_key"})


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many starts in any window of that length.

    Args:
        starts: 1 to 10,000.
        window: 100 ms to 31 days.

    Raises:
        InvalidHelper: A value is out of range.
    """

    starts: int
    window: timedelta

    def __post_init__(self) -> None:
        """Refuse what can't be kept."""
        if not 1 <= self.starts <= MAX_RATE:
            message = f"A rate of {self.starts} starts is out of range."
            raise InvalidHelper(message, hint=f"Take 1 to {MAX_RATE}; for more, take a shorter span.")
        if not _MIN_WINDOW <= self.window <= _MAX_WINDOW:
            message = f"A rate over {format_duration(self.window)} is out of range."
            raise InvalidHelper(message, hint="Take a span from 100ms to 31d.")

    def __str__(self) -> str:
        """Return it as `parse_rate` reads it: ``100/m``, ``5/10m``."""
        span = format_duration(self.window)
        return f"{self.starts}/{span[1:] if re.fullmatch('1[a-z]+', span) else span}"


def parse_rate(text: str) -> Rate:
    """Return the rate that ``text`` names.

    >>> parse_rate("100/m").starts
    100

    Raises:
        UsageError: It can't be understood.
        InvalidHelper: It is out of range.
    """
    found = _RATE.fullmatch(text.strip())
    if found is None:
        message = f"'{text}' is not a rate."
        raise UsageError(message, hint=_RATE_HINT)
    span = found[2].strip()
    try:
        window = parse_duration(f"1{span}" if _UNIT.fullmatch(span) else span)
    except UsageError as error:
        message = f"'{text}' is not a rate: {error.message}"
        raise UsageError(message, hint=_RATE_HINT) from error
    return Rate(int(found[1]), window)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a helper; they count all its instances together. None is no limit.

    Args:
        concurrency: Executions in hand at once.
        key: Field of the payload whose value parts executions: each value has limits of its own.
        concurrency_per_key: Executions of one value in hand at once.
        rate: Starts of all.
        rate_per_key: Starts of one value.

    Raises:
        InvalidHelper: A value is out of range, or a limit per key has no key.
    """

    concurrency: int | None = None
    key: str | None = None
    concurrency_per_key: int | None = None
    rate: Rate | None = None
    rate_per_key: Rate | None = None

    def __post_init__(self) -> None:
        """Refuse what would not work later."""
        for name in ("concurrency", "concurrency_per_key"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MAX_CONCURRENCY:
                message = f"{name}={value} is out of range."
                raise InvalidHelper(message, hint="Take 1 or more, or None; 'helperhub helpers pause' stops all.")
        per_key = self.concurrency_per_key is not None or self.rate_per_key is not None
        if per_key and not self.key:
            message = "A limit per key needs concurrency_key, the field of the payload that it goes by."
            raise InvalidHelper(message, hint="Such as concurrency_key='city'.")

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return any(getattr(self, name) is not None for name in LIMIT_NAMES)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class HeldLimits:
    """What holds for one helper.

    Args:
        limits: As declared, with what an operator changed.
        paused: Whether nothing of it is started.
        pause_reason: Why, in the operator's words.
    """

    limits: Limits = NO_LIMITS
    paused: bool = False
    pause_reason: str = ""

    def __bool__(self) -> bool:
        """Whether anything holds an execution back."""
        return bool(self.limits) or self.paused


@dataclass(frozen=True, slots=True)
class LimitsOverride:
    """What an operator changed of a helper's limits.

    Args:
        changes: By name of `LIMIT_NAMES`; None is no limit, what isn't there is as declared.
        paused: Nothing of the helper is started.
        pause_reason: Why, in the operator's words.
    """

    changes: Mapping[str, int | Rate | None] = field(default_factory=dict)
    paused: bool = False
    pause_reason: str = ""

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.changes) or self.paused

    def apply(self, declared: Limits) -> HeldLimits:
        """Return what holds for a helper that declares ``declared``; without a key limits per key don't count.

        Raises:
            InvalidHelper: A value is out of range.
        """
        changes: dict[str, Any] = {
            name: value for name, value in self.changes.items() if declared.key or name not in _PER_KEY
        }
        limits = replace(declared, **changes) if changes else declared
        return HeldLimits(limits, self.paused, self.pause_reason)


NO_CHANGES = LimitsOverride()


def build_limits(
    *,
    concurrency: Any = None,
    concurrency_key: Any = None,
    concurrency_per_key: Any = None,
    rate: Rate | str | None = None,
    rate_per_key: Rate | str | None = None,
) -> Limits:
    """Return limits as an author wrote them; rates may be texts.

    Raises:
        InvalidHelper: A value can't be used.
    """
    for name, value in (("concurrency", concurrency), ("concurrency_per_key", concurrency_per_key)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            message = f"{name}={value!r} is not a number of executions."
            raise InvalidHelper(message, hint="Take 1 or more, or None for no limit.")
    if concurrency_key is not None and not (isinstance(concurrency_key, str) and concurrency_key):
        message = f"concurrency_key={concurrency_key!r} is not the name of a field of the payload."
        raise InvalidHelper(message, hint="Such as concurrency_key='city'.")
    if concurrency_key is not None and concurrency_per_key is None and rate_per_key is None:
        message = f"concurrency_key='{concurrency_key}' limits nothing by itself."
        raise InvalidHelper(message, hint="Add concurrency_per_key=1, or rate_per_key='1/s'.")
    rates = _read_rate("rate", rate), _read_rate("rate_per_key", rate_per_key)
    return Limits(concurrency, concurrency_key, concurrency_per_key, *rates)


def _read_rate(name: str, value: Any) -> Rate | None:
    if value is None or isinstance(value, Rate):
        return value
    if not isinstance(value, str):
        message = f"{name}={value!r} is not a rate."
        raise InvalidHelper(message, hint=_RATE_HINT)
    try:
        return parse_rate(value)
    except UsageError as error:
        message = f"{name}: {error.message}"
        raise InvalidHelper(message, hint=error.hint) from error
