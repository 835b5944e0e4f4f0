from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from helperhub.errors import ConfigurationError
from helperhub.settings import Duration, LoadedSettings, load_settings, plugin_settings


class Place(BaseModel):
    latitude: float
    tags: list[str] = []


class Weather(BaseModel):
    latitude: float
    api_key: SecretStr | None = None
    every: timedelta = timedelta(hours=1)
    cities: list[str] = []
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)
    home: Place = Place(latitude=0)
    places: dict[str, Place] = {}
    note: str | None = Field(default=None, validation_alias="remark")


def given(**variables: str) -> LoadedSettings:
    environ = {f"HELPERHUB_MY_WEATHER__{name}": value for name, value in variables.items()}
    return load_settings([], environ, plugin_sections=["my-weather"])


def refusal(**variables: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plugin_settings("my-weather", Weather, given(**variables))
    return str(caught.value)


def test_plugin_settings_are_filled_with_nesting_json_and_durations() -> None:
    loaded = given(
        LATITUDE="52.5",
        API_KEY="k",
        EVERY="90s",
        CITIES='["Berlin", "Rom"]',
        HOME__LATITUDE="1",
        HOME__TAGS='["a"]',
        PLACES__ROME__LATITUDE="41.9",
        REMARK="hello",
    )

    settings = plugin_settings("my-weather", Weather, loaded)

    assert settings == Weather(
        latitude=52.5,
        api_key=SecretStr("k"),
        every=timedelta(seconds=90),
        cities=["Berlin", "Rom"],
        home=Place(latitude=1, tags=["a"]),
        places={"rome": Place(latitude=41.9)},
        remark="hello",
    )


def test_plugin_settings_may_be_one_json_variable() -> None:
    loaded = load_settings([], {"HELPERHUB_MY_WEATHER": '{"latitude": 3}'}, plugin_sections=["my-weather"])

    assert plugin_settings("my-weather", Weather, loaded) == Weather(latitude=3)


def test_iso_duration_is_taken_too() -> None:
    assert plugin_settings("my-weather", Weather, given(LATITUDE="1", EVERY="PT30S")).every == timedelta(seconds=30)


def test_empty_variable_leaves_the_default() -> None:
    assert plugin_settings("my-weather", Weather, given(LATITUDE="1", EVERY="")).every == timedelta(hours=1)


def test_missing_variable_is_named() -> None:
    assert refusal() == "Plugin 'my-weather': HELPERHUB_MY_WEATHER__LATITUDE: it is missing. Set it."


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"LATITUDE": "north"}, "HELPERHUB_MY_WEATHER__LATITUDE='north': that is not a number."),
        ({"LATITUDE": "1", "CITIES": "Rom"}, "HELPERHUB_MY_WEATHER__CITIES='Rom': that is not a list. Write JSON"),
        ({"LATITUDE": "1", "EVERY": "90"}, "HELPERHUB_MY_WEATHER__EVERY='90': that is not a duration."),
        ({"LATITUDE": "1", "TIMEOUT": "2m"}, "HELPERHUB_MY_WEATHER__TIMEOUT='2m': it must be at most 1m."),
        ({"LATITUDE": "1", "PLACES__ROME__LATITUDE": "x"}, "HELPERHUB_MY_WEATHER__PLACES__ROME__LATITUDE='x': "),
        (
            {"LATITUDE": "1", "LATTITUDE": "1"},
            "__LATTITUDE fills no setting of this plugin. Did you mean HELPERHUB_MY_",
        ),
        ({"LATITUDE": "1", "HOME__LATITUD": "1"}, "Did you mean HELPERHUB_MY_WEATHER__HOME__LATITUDE?"),
        ({"LATITUDE": "1", "PLACES__ROME__LATITUD": "1"}, "Did you mean HELPERHUB_MY_WEATHER__PLACES__ROME__LATITUDE?"),
    ],
)
def test_wrong_variable_of_a_plugin_is_refused(variables: dict[str, str], message: str) -> None:
    assert message in refusal(**variables)


def test_variables_of_a_plugin_that_takes_any_are_let_through() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    settings: Any = plugin_settings("my-weather", Open, given(WHATEVER="1"))

    assert settings.whatever == "1"


def test_secret_of_a_plugin_is_in_neither_message_nor_traceback() -> None:
    loaded = given(API_KEY="s3cret", LATITUDE="north")

    with pytest.raises(ConfigurationError) as caught:
        plugin_settings("my-weather", Weather, loaded)

    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_plugin_named_as_a_section_of_the_hub_gets_no_settings() -> None:
    with pytest.raises(ConfigurationError, match="HELPERHUB_WORKER is a section of HelperHub's own"):
        plugin_settings("worker", Weather, given())


def test_settings_that_are_no_pydantic_model_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="which is not a pydantic model"):
        plugin_settings("my-weather", dict, given())
