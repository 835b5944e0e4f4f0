"""What the plugin brings in, and what its settings accept."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import entry_points

import pytest

from helperhub import Cron, Daily
from helperhub.errors import ConfigurationError
from helperhub.testing import RegistrarForTests
from helperhub_housekeeping import plugin
from helperhub_housekeeping.settings import Settings


def test_entry_point_leads_to_the_hook() -> None:
    (entry,) = entry_points(group="helperhub", name="housekeeping")

    assert entry.load().helperhub_register is plugin.helperhub_register


def test_both_helpers_come_at_the_times_of_the_readme_in_the_hubs_zone() -> None:
    hub = RegistrarForTests("housekeeping", timezone="Asia/Kolkata")

    plugin.helperhub_register(hub)

    assert {name: dict(spec.schedules) for name, spec in hub.specs.items()} == {
        "clean-up": {"": Daily("02:00", tz="Asia/Kolkata")},
        "weekly-report": {"": Cron("0 9 * * 1", tz="Asia/Kolkata")},
    }


def test_backups_are_written_where_they_have_a_place() -> None:
    hub = RegistrarForTests("housekeeping", settings={"backup_dir": "/var/backups/hub"})

    plugin.helperhub_register(hub)

    assert hub.specs["backup"].schedules[""] == Daily("03:00", tz="UTC")


def test_zone_of_both_can_be_set() -> None:
    hub = RegistrarForTests("housekeeping", settings={"timezone": "Asia/Tokyo"})

    plugin.helperhub_register(hub)

    assert hub.specs["clean-up"].schedules[""] == Daily("02:00", tz="Asia/Tokyo")
    assert hub.specs["weekly-report"].schedules[""] == Cron("0 9 * * 1", tz="Asia/Tokyo")


def test_only_outcomes_with_an_age_of_their_own_are_told() -> None:
    settings = Settings.model_validate({"keep": "10d", "keep_error": "90d", "keep_skipped": "1d"})

    assert settings.keep == timedelta(days=10)
    assert settings.ages() == {"error": timedelta(days=90), "skipped": timedelta(days=1)}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"keep": "30"}, "KEEP"),
        ({"keep_error": "1h"}, "KEEP_ERROR"),
        ({"keep_failed": "30d"}, "KEEP_FAILED"),
        ({"timezone": "Berlin"}, "TIMEZONE"),
        ({"keep_backups": "0"}, "KEEP_BACKUPS"),
        ({"chat_url": "chat.example.org/secret"}, "CHAT_URL"),
    ],
)
def test_setting_that_doesnt_fit_stops_the_plugin_and_is_named(settings: dict[str, str], named: str) -> None:
    hub = RegistrarForTests("housekeeping", settings=settings)

    with pytest.raises(ConfigurationError, match=f"HELPERHUB_HOUSEKEEPING__{named}") as caught:
        plugin.helperhub_register(hub)

    assert "secret" not in str(caught.value)
