"""What requests' bodies have in common, and their words as values: durations, times, schedules, limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from helperhub.errors import UsageError
from helperhub.model.duration import parse_duration
from helperhub.model.instant import parse_instant
from helperhub.model.limits import LIMIT_NAMES, Rate, parse_rate
from helperhub.model.schedule import Schedule
from helperhub.schedules.notation import parse_schedule, split_schedule_dict

_OF_THE_HELPER = ("priority", "expiry", "enabled")


class Reason(BaseModel):
    """Why something is done, for the record."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=500, description="In your words.", examples=["maintenance"])


def read_duration(text: str | None, name: str) -> timedelta | None:
    """Return a duration, or None if none is given.

    Raises:
        UsageError: It can't be understood; the message names ``name``.
    """
    if text is None:
        return None
    try:
        return parse_duration(text)
    except UsageError as error:
        message = f"{name}: {error.message}"
        raise UsageError(message, hint=error.hint) from error


def read_time(text: str | None) -> datetime | None:
    """Return a time, or None if none is given.

    Raises:
        UsageError: It can't be understood.
    """
    return None if text is None else parse_instant(text)


def read_schedule(written: str | Mapping[str, Any]) -> tuple[Schedule | None, dict[str, Any]]:
    """Return a schedule, and what its dict says of the helper itself: priority, expiry, enabled.

    A dict that holds only these changes no schedule.

    Raises:
        InvalidSchedule: It can't be understood.
    """
    if isinstance(written, str):
        return parse_schedule(written), {}
    # 5.0 is a whole number in JSON, and in JSON Schema.
    written = {key: int(one) if isinstance(one, float) and one.is_integer() else one for key, one in written.items()}
    if not set(written) - set(_OF_THE_HELPER) and written:
        _, fields = split_schedule_dict({"type": "daily", "time": "00:00", **written})
        return None, fields
    return split_schedule_dict(written)


def read_schedules(
    written: Mapping[str, str | Mapping[str, Any]],
) -> tuple[dict[str, Schedule], dict[str, Any]]:
    """Return schedules by name, and what their dicts say of the helper itself; see `read_schedule`.

    Raises:
        InvalidSchedule: One can't be understood.
    """
    schedules: dict[str, Schedule] = {}
    fields: dict[str, Any] = {}
    for name, one in written.items():
        schedule, more = read_schedule(one)
        fields |= more
        if schedule is not None:
            schedules[name] = schedule
    return schedules, fields


def read_limits(written: Mapping[str, int | str | None]) -> dict[str, int | Rate | None]:
    """Return limits by name.

    Raises:
        UsageError: There is no such limit, or its value can't be understood.
    """
    limits: dict[str, int | Rate | None] = {}
    for name, value in written.items():
        if name not in LIMIT_NAMES:
            message = f"'{name[:80]}' is no limit."
            raise UsageError(message, hint=f"There are: {', '.join(LIMIT_NAMES)}.")
        if "rate" in name:
            limits[name] = parse_rate(str(value)) if value is not None else None
        elif isinstance(value, str):
            message = f"{name} is a number of executions, not '{value[:80]}'."
            raise UsageError(message)
        else:
            limits[name] = value
    return limits
