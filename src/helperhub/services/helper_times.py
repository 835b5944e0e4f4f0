"""When a helper is due next, with what its zone's clock shows then and what a change of that clock does to it."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from helperhub.model.helper import HelperSpec
from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.model.schedule import Cron, Daily, Schedule
from helperhub.schedules.due_times import next_due
from helperhub.schedules.wall_clock import shown_at, wall_time
from helperhub.schedules.zones import load_zone
from helperhub.services.helpers import Helpers


def now_of(helpers: Helpers) -> datetime:
    """Return Redis TIME, which decides what is past."""
    return from_ms(helpers.scripts.due(limit=1).now_ms)


def next_times(spec: HelperSpec, *, now: datetime, default_tz: str, count: int) -> list[dict[str, Any]]:
    """Return the next planned times: instant, schedule, the clock of its zone, and a note where that is changed.

    Args:
        spec: The helper; what is switched off has none.
        now: Only times after this.
        default_tz: IANA name of the zone for schedules that name none.
        count: At most so many.
    """
    if not spec.enabled:
        return []
    found = [
        (at, name, schedule)
        for name, schedule in spec.schedules.items()
        for at in next_due(schedule, after=now, default_tz=default_tz, count=count)
    ]
    found.sort(key=lambda one: (one[0], one[1]))
    return [_document(at, name, schedule, now, default_tz) for at, name, schedule in found[:count]]


def _document(at: datetime, name: str, schedule: Schedule, now: datetime, default_tz: str) -> dict[str, Any]:
    document = {"at": to_rfc3339(at), "schedule": name, "zone": None, "local": None, "note": ""}
    if not isinstance(schedule, Daily | Cron):
        return document
    zone_name = schedule.tz or default_tz
    zone = load_zone(zone_name)
    local = wall_time(at, zone)
    return document | {"zone": zone_name, "local": f"{local:%Y-%m-%d %H:%M:%S}", "note": _note(at, schedule, now, zone)}


def _note(at: datetime, schedule: Daily | Cron, now: datetime, zone: tzinfo) -> str:
    local = wall_time(at, zone)
    meant = datetime.combine(local.date(), time.fromisoformat(schedule.at)) if isinstance(schedule, Daily) else local
    shown = shown_at(meant, zone)
    if not shown:
        return f"{meant:%H:%M} is skipped by the clock that day: it comes right after the gap."
    if len(shown) > 1:
        return f"The clock shows {meant:%H:%M} twice that day."
    before, after = _offset(now, zone), _offset(at, zone)
    return "" if before == after else f"After the clock's change from {_write(before)} to {_write(after)}."


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)


def _write(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60}:{abs(minutes) % 60:02}"


__all__ = ["next_times", "now_of"]
