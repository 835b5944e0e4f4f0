"""Schedules as people and programs write them: one line of text, or the dict of the HTTP API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from helperhub.model.duration import format_duration, to_ms
from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.schedules.cron import parse_cron
from helperhub.schedules.fields import ScheduleFields, read_callers_fields
from helperhub.schedules.refusal import UNNAMED, build_refusal
from helperhub.schedules.zones import load_zone

_FORMS = "Write 'daily 07:30', 'every 30m', 'cron 0 9 * * 1-5', '@daily' or 'once 2026-11-23T08:30:00Z'."
_CRON_FIELD = re.compile(r"[\d*,/?-]+")
_TEXT_OPTIONS = ("tz", "jitter")
_MS = timedelta(milliseconds=1)


def parse_schedule(value: str | Mapping[str, Any], *, subject: str = UNNAMED) -> Schedule:
    """Return the schedule that ``value`` writes down.

    Only the notation is read here; whether the zone exists and cron would take the expression is
    for `check_schedule`, so that what is stored can be read on a machine with older zones.

    Args:
        value: ``daily 07:30``, ``every 30m``, ``cron 0 9 * * 1-5`` or the bare expression,
            ``@daily``, ``once 2026-11-23T08:30:00Z``, each with `` tz=Europe/Berlin`` or
            `` jitter=30s`` after it if need be; or a dict with ``type`` (daily, interval, cron,
            once) and what goes with it: ``time``; ``interval_minutes`` or ``interval``, ``start``;
            ``cron``; ``at``; ``tz``, ``jitter``. What belongs to another type is passed over, as
            are None and the caller's ``priority``, ``expiry`` and ``enabled``.
        subject: Whose schedule it is, for the message, such as ``Schedule 'backup' in plugin x 1.2``.

    Raises:
        InvalidSchedule: It can't be understood.
    """
    given = _split_text(value, subject) if isinstance(value, str) else value
    return ScheduleFields(given, subject).to_schedule()


def split_schedule_dict(value: Mapping[str, Any], *, subject: str = UNNAMED) -> tuple[Schedule, dict[str, Any]]:
    """Return the schedule of a dict of the HTTP API, and what it says of the helper itself.

    The second part holds those of ``priority`` (1 to 5), ``expires_after`` (a timedelta, from
    ``expiry`` in seconds) and ``enabled`` that were given, named as `HelperSpec` and `Override` do.

    Args:
        value: See `parse_schedule`.
        subject: Whose schedule it is, for the message.

    Raises:
        InvalidSchedule: It can't be understood, or a value is out of range.
    """
    return parse_schedule(value, subject=subject), read_callers_fields(value, subject)


def schedule_to_dict(schedule: Schedule) -> dict[str, Any]:
    """Return the JSON dict that `parse_schedule` reads back as ``schedule``."""
    match schedule:
        case Daily():
            written: dict[str, Any] = {"type": "daily", "time": schedule.at, "tz": schedule.tz}
        case Every():
            start = None if schedule.start is None else _write_time(schedule.start)
            written = {"type": "interval", "interval": format_duration(schedule.interval), "start": start}
        case Cron():
            written = {"type": "cron", "cron": schedule.expression, "tz": schedule.tz}
        case Once():
            return {"type": "once", "at": _write_time(schedule.at)}
        case _:
            assert_never(schedule)
    if schedule.jitter:
        written["jitter"] = format_duration(schedule.jitter)
    return {key: value for key, value in written.items() if value is not None}


def check_schedule(schedule: Schedule, *, default_tz: str, subject: str = UNNAMED) -> None:
    """Refuse a schedule that `due_times` could not follow.

    Args:
        schedule: The rule.
        default_tz: IANA name of the zone for schedules that name none.
        subject: Whose schedule it is, for the message.

    Raises:
        InvalidSchedule: There is no such zone, cron would refuse the expression, or the jitter is
            negative or finer than a millisecond.
    """
    if isinstance(schedule, Daily | Cron):
        load_zone(schedule.tz or default_tz, subject=subject)
    if isinstance(schedule, Cron):
        parse_cron(schedule.expression, subject=subject)
    if not isinstance(schedule, Once) and (schedule.jitter < timedelta(0) or schedule.jitter % _MS):
        why = "it must be whole milliseconds, 0 or more"
        raise build_refusal(subject, "jitter", schedule.jitter, why)


def describe(schedule: Schedule, *, default_tz: str) -> str:
    """Return the schedule in words, such as ``daily at 07:30 Europe/Berlin``.

    Args:
        schedule: The rule.
        default_tz: IANA name of the zone for schedules that name none.
    """
    match schedule:
        case Daily():
            words = f"daily at {schedule.at} {schedule.tz or default_tz}"
        case Every():
            words = f"every {format_duration(schedule.interval)}"
            words += "" if schedule.start is None else f" from {_write_time(schedule.start)}"
        case Cron():
            words = f"cron {schedule.expression} ({schedule.tz or default_tz})"
        case Once():
            return f"once at {_write_time(schedule.at)}"
        case _:
            assert_never(schedule)
    return f"{words}, up to {format_duration(schedule.jitter)} later" if to_ms(schedule.jitter) > 0 else words


def _split_text(text: str, subject: str) -> dict[str, Any]:
    """Return the dict that says the same as ``text``."""
    words = text.split()
    given: dict[str, Any] = {}
    while words and "=" in words[-1]:
        option, _, value = words.pop().partition("=")
        if option not in _TEXT_OPTIONS or option in given:
            why = f"'{option}=' is given twice" if option in given else f"'{option}=' is unknown"
            raise build_refusal(subject, "text", text, why, hint="Only 'tz=' and 'jitter=' may follow a schedule.")
        given[option] = value
    match words:
        case ["daily", time]:
            return given | {"type": "daily", "time": time}
        case ["every", _, *_]:
            return given | {"type": "interval", "interval": " ".join(words[1:])}
        case ["once", at]:
            return given | {"type": "once", "at": at}
        case ["cron", _, *_]:
            return given | {"type": "cron", "cron": " ".join(words[1:])}
        case [first, *rest] if first.startswith("@") or (len(rest) >= 4 and _CRON_FIELD.fullmatch(first)):
            return given | {"type": "cron", "cron": " ".join(words)}
    raise build_refusal(subject, "text", text, "that is not a schedule", hint=_FORMS)


def _write_time(at: datetime) -> str:
    # Not `to_rfc3339`: it cuts microseconds, and what is written must read back as the same schedule.
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
