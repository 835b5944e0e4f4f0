"""What a schedule is to Sentry: a cron monitor with a slug of its own, and a config where Sentry can express it.

Sentry knows crontab lines and intervals of whole minutes, and looks once a minute
(https://docs.sentry.io/product/crons/getting-started/http/).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, assert_never

from helperhub.model.helper import HelperSpec
from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.schedules.cron import parse_cron

#: Sentry refuses longer slugs, and minutes above 28 days.
_SLUG, _MOST_MINUTES = 50, 40_320
_DIGEST = 8
_MINUTE = timedelta(minutes=1)
#: Sentry's units, the largest first.
_UNITS = {"week": timedelta(weeks=1), "day": timedelta(days=1), "hour": timedelta(hours=1), "minute": _MINUTE}


@dataclass(frozen=True, slots=True)
class Monitor:
    """One schedule's monitor.

    Args:
        slug: Its name in Sentry's URLs.
        schedule: The schedule's name, ``""`` for the unnamed one.
        config: What Sentry creates it with; None where Sentry can't express the schedule.
        why: Why there is no config, for people.
    """

    slug: str
    schedule: str
    config: dict[str, Any] | None
    why: str = ""

    @property
    def text(self) -> str:
        """The monitor in one line for people."""
        if self.config is None:
            return f"{self.slug}: {self.why}"
        schedule = self.config["schedule"]
        if schedule["type"] == "crontab":
            return f"{self.slug}: {schedule['value']} {self.config['timezone']}"
        return f"{self.slug}: every {schedule['value']} {schedule['unit']}{'s' if schedule['value'] > 1 else ''}"


@dataclass(frozen=True, slots=True)
class MonitorRules:
    """What all monitors of a hub have in common.

    Args:
        default_tz: Zone of schedules that name none.
        margin: How late an execution may start whose helper has no expiry.
        time_limit_of: A queue's time limit.
    """

    default_tz: str
    margin: timedelta
    time_limit_of: Callable[[str], timedelta]

    def monitor(self, spec: HelperSpec, schedule: str) -> Monitor:
        """Return the monitor of one of a helper's schedules; one that it no longer has has no config."""
        slug = build_slug(spec.key, schedule)
        rule = spec.schedules.get(schedule)
        if rule is None:
            return Monitor(slug, schedule, None, "the helper no longer has this schedule")
        said = _express(rule)
        if isinstance(said, str):
            return Monitor(slug, schedule, None, said)
        late = (spec.expires_after or self.margin) + _behind(rule)
        zone = rule.tz if isinstance(rule, Daily | Cron) and rule.tz else self.default_tz
        config = {
            "schedule": said,
            "timezone": "UTC" if isinstance(rule, Every) else zone,
            "checkin_margin": _minutes(late),
            "max_runtime": _minutes(spec.time_limit or self.time_limit_of(spec.queue)),
        }
        return Monitor(slug, schedule, config)


def build_slug(helper: str, schedule: str) -> str:
    """Return the slug of a schedule's monitor: the same for every process, another for every schedule.

    A name that Sentry takes as it is stays so; any other gets a digest, since two may look alike without what
    Sentry doesn't take.

    >>> build_slug("weather", "")
    'weather'
    >>> build_slug("weather/Berlin", "night")
    'weather-berlin-night-e0f87f9d'
    """
    name = f"{helper}#{schedule}" if schedule else helper
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower())
    if slug == name and len(slug) <= _SLUG:
        return slug
    digest = hashlib.blake2b(name.encode(), digest_size=_DIGEST // 2).hexdigest()
    return f"{slug[: _SLUG - _DIGEST - 1].rstrip('-')}-{digest}"


@lru_cache(maxsize=4096)  # asked at every start
def _express(schedule: Schedule) -> dict[str, Any] | str:
    """Return a schedule in Sentry's words, or why it can't be expressed."""
    match schedule:
        case Daily():
            hour, minute, *_ = schedule.at.split(":")
            return {"type": "crontab", "value": f"{int(minute)} {int(hour)} * * *"}
        case Cron():
            return {"type": "crontab", "value": parse_cron(schedule.expression).line}
        case Every():
            for unit, length in _UNITS.items():
                if not schedule.interval % length:
                    return {"type": "interval", "value": schedule.interval // length, "unit": unit}
            return "Sentry knows no intervals but whole minutes"
        case Once():
            return "Sentry knows no schedule that comes once"
        case _:
            assert_never(schedule)


def _behind(schedule: Schedule) -> timedelta:
    """Return how far behind the moment that Sentry is told of a due time may be."""
    if isinstance(schedule, Once):
        return timedelta(0)
    # Sentry's crontab has no seconds.
    seconds = isinstance(schedule, Daily) and schedule.at.count(":") > 1
    return schedule.jitter + (_MINUTE if seconds else timedelta(0))


def _minutes(duration: timedelta) -> int:
    return max(1, min(_MOST_MINUTES, math.ceil(duration / _MINUTE)))
