"""The morning's helper: figures, and one line for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from helperhub import Context
from helperhub_weather.errors import UnexpectedAnswer
from helperhub_weather.plugin import weather_digest
from helperhub_weather.settings import Settings

MakeSettings = Callable[..., Settings]


def test_digest_holds_the_days_figures_and_one_line(
    httpserver: HTTPServer, make_settings: MakeSettings, day_answer: dict[str, Any]
) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_json(day_answer)

    result = weather_digest(Context(settings=make_settings()))

    assert result == {
        "latitude": 52.52,
        "longitude": 13.419998,
        "date": "2026-11-23",
        "condition": "rain",
        "temperature_min": 1.4,
        "temperature_max": 6.0,
        "precipitation_sum": 4.2,
        "precipitation_probability": 85.0,
        "sunrise_at": "2026-11-23T06:41:00Z",
        "sunset_at": "2026-11-23T15:02:00Z",
        "units": {"temperature": "°C", "precipitation": "mm"},
        "text": "2026-11-23: rain, 1.4 to 6 °C, 4.2 mm of precipitation (85 %), sun 07:41 to 16:02.",
    }
    args = httpserver.log[0][0].args
    assert args["forecast_days"] == "1"
    assert "precipitation_probability_max" in args["daily"]


def test_line_of_an_instance_opens_with_its_name(
    httpserver: HTTPServer, make_settings: MakeSettings, day_answer: dict[str, Any]
) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_json(day_answer)

    result = weather_digest(Context(settings=make_settings(), instance="berlin"))

    assert result["text"].startswith("berlin, 2026-11-23: rain, ")


@pytest.mark.parametrize(("nothing", "offset_seconds"), [("1970-01-01T01:00", 3600), ("1969-12-31T21:00", -10800)])
def test_polar_night_has_neither_sunrise_nor_sunset(
    httpserver: HTTPServer, make_settings: MakeSettings, day_answer: dict[str, Any], nothing: str, offset_seconds: int
) -> None:
    day_answer["utc_offset_seconds"] = offset_seconds
    day_answer["daily"] |= {"sunrise": [nothing], "sunset": [nothing]}
    httpserver.expect_request("/v1/forecast").respond_with_json(day_answer)

    result = weather_digest(Context(settings=make_settings()))

    assert result["sunrise_at"] is None
    assert result["sunset_at"] is None
    assert "sun" not in result["text"]


@pytest.mark.parametrize(
    ("amount", "chance", "words"),
    [
        (None, 40, ", 40 % chance of precipitation, sun"),
        (0.0, None, ", 0 mm of precipitation, sun"),
        (None, None, "6 °C, sun"),
    ],
)
def test_line_leaves_out_what_the_model_does_not_know(
    httpserver: HTTPServer,
    make_settings: MakeSettings,
    day_answer: dict[str, Any],
    amount: float | None,
    chance: int | None,
    words: str,
) -> None:
    day_answer["daily"] |= {"precipitation_sum": [amount], "precipitation_probability_max": [chance]}
    httpserver.expect_request("/v1/forecast").respond_with_json(day_answer)

    assert words in weather_digest(Context(settings=make_settings()))["text"]


def test_answer_without_days_is_a_clear_error(
    httpserver: HTTPServer, make_settings: MakeSettings, day_answer: dict[str, Any]
) -> None:
    day_answer["daily"]["time"] = []
    httpserver.expect_request("/v1/forecast").respond_with_json(day_answer)

    with pytest.raises(UnexpectedAnswer, match=r"daily\.time"):
        weather_digest(Context(settings=make_settings()))
