"""Settings of alerts: mistakes are named, secrets aren't shown, and what they come to is what rules and people need."""

from __future__ import annotations

from datetime import timedelta

import pytest

from helperhub.errors import ConfigurationError
from helperhub.model.alert import RULES, AlertRule
from helperhub.settings import list_settings, load_settings
from helperhub.settings.alerting import build_policy, list_thresholds


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALERTS__QUIET", "25:00-07:00", "25:00-07:00"),
        ("ALERTS__QUIET", "at night", "22:00-07:00"),
        ("ALERTS__QUIET_ZONE", "Europe/Berlim", "Europe/Berlin"),
        ("ALERTS__OFF", "depth", "queue_depth"),
        ("ALERTS__WEBHOOKS", "ftp://hunter2.example.org/x", "https://"),
        ("ALERTS__EVERY", "1m", "5"),
        ("ALERTS__REDIS_MEMORY", "75", "1"),
        ("ALERTS__LATE", "30", "30s"),
        ("HEARTBEAT__URL", "hunter2.example.org/x", "http"),
    ],
)
def test_mistake_is_named_with_what_to_write_and_without_secrets(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings([], {f"HELPERHUB_{name}": value})

    assert f"HELPERHUB_{name}" in str(caught.value)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_urls_are_secrets() -> None:
    urls = {name: f"https://{name.lower()}.example.org/token" for name in ("ALERTS__WEBHOOKS", "HEARTBEAT__URL")}
    loaded = load_settings([], {f"HELPERHUB_{name}": url for name, url in urls.items()})

    rows = {row.variable: row.value for row in list_settings(loaded)}
    assert [rows[f"HELPERHUB_{name}"] for name in urls] == ["***", "***"]


def test_every_rule_has_a_setting_and_what_is_off_never_fires() -> None:
    settings = load_settings([], {"HELPERHUB_ALERTS__OFF": "late,redis_memory"}).settings

    thresholds = list_thresholds(settings)

    assert thresholds.keys() == set(AlertRule) == RULES.keys()
    off = {rule for rule, value in thresholds.items() if value is None}
    assert off == {AlertRule.LATE, AlertRule.MEMORY, AlertRule.LONG}
    assert (thresholds[AlertRule.DEPTH], thresholds[AlertRule.FAILURES]) == (100, 10)
    assert thresholds[AlertRule.ABSENT] == 300


def test_nothing_is_escalated_or_reminded_of_at_0s_and_the_hubs_zone_stands_in() -> None:
    variables = {"ESCALATE_AFTER": "0s", "REMIND_EVERY": "0s", "QUIET": "22:00-07:00, sat-sun 00:00-00:00"}
    given = {f"HELPERHUB_ALERTS__{name}": value for name, value in variables.items()}
    policy = build_policy(load_settings([], {**given, "HELPERHUB_TIMEZONE": "Asia/Tokyo"}).settings)
    usual = build_policy(load_settings([], {}).settings)

    assert (policy.escalate_after, policy.remind_every) == (None, None)
    assert (len(policy.quiet.spans), policy.quiet.zone) == (2, "Asia/Tokyo")
    assert (usual.escalate_after, usual.calm) == (timedelta(minutes=15), timedelta(seconds=30))
