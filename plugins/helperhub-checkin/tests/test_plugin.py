"""What the plugin makes of its setting."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Any

import pytest
from pydantic import ValidationError

from helperhub import Context, Cron, Daily, Every, Overlap
from helperhub.errors import ConfigurationError
from helperhub.testing import RegistrarForTests
from helperhub_checkin import plugin
from helperhub_checkin.failure import InvalidTarget
from helperhub_checkin.settings import Settings

SITE = {"name": "site", "url": "https://example.org/health"}


def register(targets: list[Any]) -> RegistrarForTests:
    """Return what the plugin makes of these targets."""
    hub = RegistrarForTests("checkin", settings={"targets": json.dumps(targets)})
    plugin.helperhub_register(hub)
    return hub


def test_entry_point_leads_to_the_hook() -> None:
    (entry,) = entry_points(group="helperhub", name="checkin")

    assert entry.load().helperhub_register is plugin.helperhub_register


def test_second_look_after_ten_seconds_keeps_a_blip_from_being_an_alarm() -> None:
    spec = plugin.checkin.declaration.spec

    assert spec.retry.max_attempts == 2
    assert spec.retry.delays == (timedelta(seconds=10),)
    assert spec.overlap is Overlap.SKIP


def test_every_target_is_an_instance_with_its_schedule_and_payload() -> None:
    targets = [SITE, {"name": "db", "tcp": "10.0.0.5:5432", "schedule": "every 30s", "timeout": "2s"}]
    hub = register(targets)

    assert hub.problems == ()
    assert list(hub.specs) == ["checkin/site", "checkin/db"]
    site, db = hub.specs.values()
    assert site.schedules == {"": Every(timedelta(minutes=5))}
    assert (site.payload, site.expires_after) == (SITE, timedelta(minutes=5))
    assert site.description == "GET https://example.org/health"
    assert db.schedules == {"": Every(timedelta(seconds=30))}
    assert db.payload == {"name": "db", "tcp": "10.0.0.5:5432", "timeout": "2s"}
    assert (db.expires_after, db.description) == (timedelta(seconds=30), "TCP 10.0.0.5:5432")


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("daily 07:30", Daily("07:30", tz="UTC")),
        ("0 9 * * 1-5", Cron("0 9 * * 1-5", tz="UTC")),
        ({"type": "interval", "interval_minutes": 30}, Every(timedelta(minutes=30))),
        ({"type": "daily", "time": "07:30:00"}, Daily("07:30:00", tz="UTC")),
    ],
)
def test_schedule_is_text_or_the_dict_of_the_api(written: Any, schedule: Any) -> None:
    hub = register([{**SITE, "schedule": written}])

    assert hub.specs["checkin/site"].schedules[""] == schedule


def test_unusable_targets_are_reported_and_the_others_run() -> None:
    targets = [
        {"name": "web", "url": "example.org"},
        {"name": "slow", "url": "https://example.org/", "schedule": "now and then"},
        "https://example.org/",
        SITE,
        {"name": "site", "tcp": "db:5432"},
    ]
    hub = register(targets)

    assert list(hub.specs) == ["checkin/site"]
    assert hub.specs["checkin/site"].payload == SITE
    web, whole, twice, slow = hub.problems
    assert "target 1 ('web') is not checked: 'example.org' is not a URL" in web
    assert "target 3 is not checked" in whole
    assert "target 5 ('site') is not checked: an earlier target has that name" in twice
    assert "target 'slow' is not checked: Schedule of target 'slow'" in slow
    assert all("\n" not in problem for problem in hub.problems)


def test_report_of_an_unusable_target_does_not_quote_its_headers() -> None:
    hub = register([{**SITE, "headers": {"Authorization": "s3cret\n"}}])

    (problem,) = hub.problems
    assert "headers.Authorization" in problem
    assert "s3cret" not in problem


def test_setting_without_targets_is_reported() -> None:
    hub = RegistrarForTests("checkin")

    plugin.helperhub_register(hub)

    assert hub.specs == {}
    assert "HELPERHUB_CHECKIN__TARGETS names no targets" in hub.problems[0]


@pytest.mark.parametrize("value", ["[{]", '{"name": "site"}', "site"])
def test_setting_that_is_no_list_stops_the_plugin_and_names_the_variable(value: str) -> None:
    with pytest.raises(ConfigurationError, match="HELPERHUB_CHECKIN__TARGETS"):
        plugin.helperhub_register(RegistrarForTests("checkin", settings={"targets": value}))


@pytest.mark.parametrize("payload", [None, {}, {"name": "site"}, {"url": "https://example.org/"}])
def test_payload_that_describes_no_target_is_never_retried(payload: Any) -> None:
    with pytest.raises(InvalidTarget, match="describes no target"):
        plugin.checkin(Context(settings=Settings(), payload=payload))

    assert plugin.checkin.declaration.throws == (InvalidTarget,)


def test_error_about_the_setting_does_not_quote_its_headers() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"targets": '[{"headers": {"Authorization": "s3cret"}}'})

    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(Settings(targets=[{"headers": {"Authorization": "s3cret"}}]))
