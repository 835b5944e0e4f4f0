from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helperhub.model.helper import HelperSpec
from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.telemetry.monitors import Monitor, MonitorRules, build_slug

RULES = MonitorRules("Europe/Berlin", timedelta(minutes=5), lambda queue: timedelta(hours=2 if queue == "low" else 1))


def monitor(schedule: Schedule, **fields: Any) -> Monitor:
    return RULES.monitor(HelperSpec("backup", schedules={"": schedule}, **fields), "")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Daily("07:30"), {"type": "crontab", "value": "30 7 * * *"}),
        (Cron("0 9 * * 1-5"), {"type": "crontab", "value": "0 9 * * 1-5"}),
        (Cron("@daily"), {"type": "crontab", "value": "0 0 * * *"}),
        (Every(timedelta(minutes=90)), {"type": "interval", "value": 90, "unit": "minute"}),
        (Every(timedelta(hours=6)), {"type": "interval", "value": 6, "unit": "hour"}),
        (Every(timedelta(days=14)), {"type": "interval", "value": 2, "unit": "week"}),
    ],
)
def test_schedule_that_sentry_knows_is_in_its_words(schedule: Schedule, expected: dict[str, Any]) -> None:
    config = monitor(schedule).config

    assert config is not None
    assert config["schedule"] == expected


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        (Every(timedelta(seconds=90)), "whole minutes"),
        (Once(datetime(2026, 11, 23, 8, 30, tzinfo=UTC)), "comes once"),
    ],
)
def test_schedule_that_sentry_cannot_express_says_so_and_has_no_config(schedule: Schedule, why: str) -> None:
    found = monitor(schedule)

    assert found.config is None
    assert why in found.text


def test_schedule_that_the_helper_no_longer_has_keeps_its_monitor_without_a_config() -> None:
    found = RULES.monitor(HelperSpec("backup"), "night")

    assert (found.slug[:13], found.config) == ("backup-night-", None)


def test_zone_is_the_schedules_or_else_the_hubs() -> None:
    assert (monitor(Daily("07:30")).config or {})["timezone"] == "Europe/Berlin"
    assert (monitor(Cron("0 9 * * *", tz="Asia/Tokyo")).config or {})["timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("schedule", "fields", "margin", "runtime"),
    [
        (Daily("07:30"), {}, 5, 60),
        (Daily("07:30"), {"queue": "low"}, 5, 120),
        (Daily("07:30:20"), {"time_limit": timedelta(seconds=61)}, 6, 2),
        (Daily("07:30", jitter=timedelta(minutes=10)), {"expires_after": timedelta(minutes=30)}, 40, 60),
        (Cron("0 0 1 * *"), {"expires_after": timedelta(days=60)}, 40_320, 60),
    ],
)
def test_margin_and_runtime_are_the_helpers_own(
    schedule: Schedule, fields: dict[str, Any], margin: int, runtime: int
) -> None:
    config = monitor(schedule, **fields).config or {}

    assert (config["checkin_margin"], config["max_runtime"]) == (margin, runtime)


def test_slug_is_the_helpers_name_where_sentry_takes_it() -> None:
    assert build_slug("weather", "") == "weather"


def test_slugs_of_names_that_look_alike_differ() -> None:
    names = [("a/b", ""), ("a", "b"), ("a.b", ""), ("a-b", ""), ("A-b", ""), ("x" * 63, ""), ("x" * 63 + "/y", "")]

    slugs = [build_slug(*name) for name in names]

    assert len(set(slugs)) == len(names)
    assert all(len(slug) <= 50 and set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_") for slug in slugs)
