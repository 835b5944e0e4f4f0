"""A local server in the API's place, and settings that point there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from helperhub_weather.settings import Settings


@pytest.fixture
def make_settings(httpserver: HTTPServer) -> Callable[..., Settings]:
    def make(**changes: Any) -> Settings:
        values = {"latitude": 52.52, "longitude": 13.41, "base_url": httpserver.url_for("/v1/forecast")}
        return Settings.model_validate({**values, **changes})

    return make


@pytest.fixture
def now_answer() -> dict[str, Any]:
    """What the public API answered for Berlin, figures changed."""
    return {
        "latitude": 52.52,
        "longitude": 13.419998,
        "generationtime_ms": 0.05,
        "utc_offset_seconds": 3600,
        "timezone": "Europe/Berlin",
        "timezone_abbreviation": "GMT+1",
        "elevation": 38.0,
        "current_units": {
            "time": "iso8601",
            "interval": "seconds",
            "temperature_2m": "°C",
            "apparent_temperature": "°C",
            "precipitation": "mm",
            "wind_speed_10m": "km/h",
            "weather_code": "wmo code",
        },
        "current": {
            "time": "2026-11-23T14:15",
            "interval": 900,
            "temperature_2m": 4.3,
            "apparent_temperature": 1.2,
            "precipitation": 0.1,
            "wind_speed_10m": 12.6,
            "weather_code": 61,
        },
    }


@pytest.fixture
def day_answer() -> dict[str, Any]:
    return {
        "latitude": 52.52,
        "longitude": 13.419998,
        "utc_offset_seconds": 3600,
        "timezone": "Europe/Berlin",
        "daily_units": {
            "time": "iso8601",
            "weather_code": "wmo code",
            "temperature_2m_min": "°C",
            "temperature_2m_max": "°C",
            "precipitation_sum": "mm",
            "precipitation_probability_max": "%",
        },
        "daily": {
            "time": ["2026-11-23"],
            "weather_code": [63],
            "temperature_2m_min": [1.4],
            "temperature_2m_max": [6.0],
            "precipitation_sum": [4.2],
            "precipitation_probability_max": [85],
            "sunrise": ["2026-11-23T07:41"],
            "sunset": ["2026-11-23T16:02"],
        },
    }
