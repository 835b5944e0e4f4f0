"""The values in a schedule's dict, each read with its own error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from helperhub.errors import InvalidSchedule, UsageError
from helperhub.model.duration import parse_duration
from helperhub.model.helper import PRIORITIES
from helperhub.model.instant import parse_instant
from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.schedules.refusal import build_refusal
from helperhub.schedules.wall_clock import one_instant
from helperhub.schedules.zones import load_zone

TYPES = ("daily", "interval", "cron", "once")
#: Keys of the same dict that say something of the helper, not of its schedule.
CALLERS_KEYS = ("priority", "expiry", "enabled")
_KEYS = ("type", "time", "interval_minutes", "interval", "start", "cron", "at", "tz", "jitter", *CALLERS_KEYS)
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class ScheduleFields:
    """A schedule's dict on its way to becoming one.

    Args:
        given: See `helperhub.schedules.notation.parse_schedule`.
        subject: Whose schedule it is, for the messages.
    """

    given: Mapping[str, Any]
    subject: str

    def to_schedule(self) -> Schedule:
        """Return the schedule.

        Raises:
            InvalidSchedule: A key is unknown or missing, or a value can't be understood.
        """
        self._check_keys()
        match self.given.get("type"):
            case "daily":
                return self._daily()
            case "interval":
                return self._interval()
            case "cron":
                return Cron(self._required_text("cron"), tz=self._text("tz"), jitter=self._jitter())
            case "once":
                return Once(self._instant("at", self._required_text("at")))
            case None:
                message = f"{self.subject} has no 'type'."
                raise InvalidSchedule(message, hint=f"Add 'type', one of {', '.join(TYPES)}.")
            case unknown:
                hint = f"Take one of {', '.join(TYPES)}."
                raise build_refusal(self.subject, "type", unknown, "there is no such type", hint=hint)

    def _daily(self) -> Daily:
        time, tz, jitter = self._required_text("time"), self._text("tz"), self._jitter()
        try:
            return Daily(time, tz=tz, jitter=jitter)
        except InvalidSchedule as error:
            raise build_refusal(self.subject, "time", time, "that is not a time of day", hint=error.hint) from error

    def _interval(self) -> Every:
        self._check_zone()
        interval = self._interval_length()
        start = self._text("start")
        start_at = None if start is None else self._instant("start", start)
        jitter = self._jitter()
        try:
            return Every(interval, start=start_at, jitter=jitter)
        except InvalidSchedule as error:
            raise build_refusal(self.subject, "interval", interval, "it is out of range", hint=error.hint) from error

    def _interval_length(self) -> timedelta:
        minutes = self.given.get("interval_minutes")
        if minutes is not None and self.given.get("interval") is not None:
            why = f"it also has interval '{self.given['interval']}'"
            raise build_refusal(self.subject, "interval_minutes", minutes, why, hint="Leave one of them out.")
        if minutes is None:
            return self._duration("interval")
        if isinstance(minutes, bool) or not isinstance(minutes, int) or not 1 <= minutes <= 366 * 24 * 60:
            hint = "For anything else write 'interval', such as '90s'."
            why = "it must be a whole number of minutes, up to 366 days"
            raise build_refusal(self.subject, "interval_minutes", minutes, why, hint=hint)
        return timedelta(minutes=minutes)

    def _jitter(self) -> timedelta:
        return _NOTHING if self.given.get("jitter") is None else self._duration("jitter")

    def _duration(self, key: str) -> timedelta:
        value = self.given.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        text = self._required_text(key) if not isinstance(value, str) else value
        try:
            return parse_duration(text)
        except UsageError as error:
            bare = text.strip().lstrip("-").replace(".", "", 1).isdecimal()
            why = "a bare number has no unit" if bare else "that is not a duration"
            raise build_refusal(self.subject, key, value, why, hint=error.hint) from error

    def _instant(self, key: str, text: str) -> datetime:
        self._check_zone()
        zone = self._text("tz")
        try:
            if zone is not None and (local := datetime.fromisoformat(text)).tzinfo is None:
                return one_instant(local, load_zone(zone, subject=self.subject))
            return parse_instant(text)
        except (ValueError, OverflowError) as error:
            hint = "Write it like 2026-11-23T08:30:00Z."
            raise build_refusal(self.subject, key, text, "that is not a time", hint=hint) from error
        except UsageError as error:
            why = error.message.partition("' ")[2].rstrip(".")
            raise build_refusal(self.subject, key, text, f"it {why}", hint=error.hint) from error

    def _check_zone(self) -> None:
        """Refuse an unknown zone where none is kept: elapsed time and instants are the same in all."""
        zone = self._text("tz")
        if zone is not None:
            load_zone(zone, subject=self.subject)

    def _required_text(self, key: str) -> str:
        text = self._text(key)
        if text is None:
            message = f"{self.subject} of type '{self.given['type']}' has no '{key}'."
            raise InvalidSchedule(message, hint=f"Add '{key}'.")
        return text

    def _text(self, key: str) -> str | None:
        value = self.given.get(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        raise build_refusal(self.subject, key, value, "it must be text, and not empty", hint="Write it in quotes.")

    def _check_keys(self) -> None:
        for key in self.given:
            if key not in _KEYS:
                close = get_close_matches(str(key), _KEYS, n=1)
                hint = f"Did you mean '{close[0]}'?" if close else f"Known are {', '.join(_KEYS)}."
                message = f"{self.subject} has a key '{key}' that schedules don't know."
                raise InvalidSchedule(message, hint=hint)


def read_callers_fields(given: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """Return ``priority``, ``expires_after`` and ``enabled`` as far as ``given`` has them.

    Args:
        given: A schedule's dict; ``expiry`` is in seconds.
        subject: Whose schedule it is, for the messages.

    Raises:
        InvalidSchedule: A value is out of range.
    """
    read: dict[str, Any] = {}
    priority, expiry, enabled = (given.get(key) for key in CALLERS_KEYS)
    if priority is not None:
        if isinstance(priority, bool) or not isinstance(priority, int) or priority not in PRIORITIES:
            raise build_refusal(subject, "priority", priority, "it is out of range", hint="Take 1 (first) to 5.")
        read["priority"] = priority
    if expiry is not None:
        if isinstance(expiry, bool) or not isinstance(expiry, int | float) or not 0.001 <= expiry <= 366 * 86_400:
            why = "it must be a number of seconds, from 0.001 to 366 days"
            raise build_refusal(subject, "expiry", expiry, why, hint="Write 3600 for an hour.")
        read["expires_after"] = timedelta(seconds=expiry)
    if enabled is not None:
        if not isinstance(enabled, bool):
            raise build_refusal(subject, "enabled", enabled, "it must be true or false")
        read["enabled"] = enabled
    return read
