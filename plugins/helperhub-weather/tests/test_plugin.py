"""What the plugin brings in, and what its settings accept."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import entry_points

import pytest
from pydantic import ValidationError

from helperhub import Daily, Every
from helperhub.errors import ConfigurationError
from helperhub.testing import RegistrarForTests
from helperhub_weather import plugin
from helperhub_weather.settings import Settings

PLACE = {"latitude": "52.52", "longitude": "13.41"}


def test_entry_point_leads_to_the_hook() -> None:
    (entry,) = entry_points(group="helperhub", name="weather")

    assert entry.load().helperhub_register is plugin.helperhub_register


def test_both_helpers_are_declared_as_the_readme_says() -> None:
    hourly, daily = plugin.weather.declaration, plugin.weather_digest.declaration

    assert (hourly.spec.name, daily.spec.name) == ("weather", "weather-digest")
    assert hourly.schedule == Every(timedelta(hours=1))
    assert hourly.spec.expires_after == timedelta(minutes=30)
    assert daily.schedule == Daily("07:30")
    assert daily.spec.priority == 2


def test_one_place_brings_in_both_helpers() -> None:
    hub = RegistrarForTests("weather", settings=PLACE)

    plugin.helperhub_register(hub)

    assert list(hub.specs) == ["weather", "weather-digest"]


def test_every_further_place_is_an_instance_of_both() -> None:
    hub = RegistrarForTests("weather", settings={**PLACE, "places": '{"oslo": {"latitude": 59.9, "longitude": 10.75}}'})

    plugin.helperhub_register(hub)

    oslo = {"latitude": 59.9, "longitude": 10.75}
    assert {key: spec.payload for key, spec in hub.specs.items()} == {
        "weather": None,
        "weather/oslo": oslo,
        "weather-digest": None,
        "weather-digest/oslo": oslo,
    }


def test_missing_place_stops_the_plugin_and_names_the_variables() -> None:
    hub = RegistrarForTests("weather")

    with pytest.raises(ConfigurationError, match=r"(?s)HELPERHUB_WEATHER__LATITUDE.*HELPERHUB_WEATHER__LONGITUDE"):
        plugin.helperhub_register(hub)

    assert hub.specs == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latitude", "90.1"),
        ("longitude", "-181"),
        ("latitude", "nan"),
        ("units", "kelvin"),
        ("timeout", "10"),
        ("timeout", "0s"),
        ("timeout", "2m"),
        ("base_url", "ftp://example.org/"),
        ("timezone", ""),
        ("places", "{oslo}"),
        ("places", '{"my place": {"latitude": 1, "longitude": 2}}'),
        ("lattitude", "1"),
    ],
)
def test_setting_that_does_not_fit_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**PLACE, name: value})

    assert [flaw["loc"][0] for flaw in caught.value.errors()] == [name]


def test_settings_read_what_an_env_file_holds() -> None:
    settings = Settings.model_validate({**PLACE, "timeout": "1m", "units": "imperial", "places": ""})

    assert settings.timeout == timedelta(minutes=1)
    assert settings.places == {}
    assert str(settings.base_url) == "https://api.open-meteo.com/v1/forecast"


def test_error_about_the_settings_does_not_quote_the_key() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"api_key": "s3cret", "latitude": "1"})

    assert "s3cret" not in str(caught.value)
