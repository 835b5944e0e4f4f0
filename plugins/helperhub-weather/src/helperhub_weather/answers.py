"""The two answers of the API that the helpers read, and the results made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from helperhub_weather.conditions import condition_in_words

NOW_VARIABLES = "temperature_2m,apparent_temperature,precipitation,wind_speed_10m,weather_code"
DAY_VARIABLES = (
    "weather_code,temperature_2m_min,temperature_2m_max,precipitation_sum,precipitation_probability_max,sunrise,sunset"
)
#: Open-Meteo gives 1970-01-01 for sunrise and sunset where the sun does neither.
_NO_SUN_YEAR = 1970
_NOT_EMPTY = Field(min_length=1)


class _Answer(BaseModel):
    # Results are JSON, which knows neither NaN nor infinity.
    model_config = ConfigDict(allow_inf_nan=False, frozen=True)


class _Now(_Answer):
    time: datetime
    temperature_2m: float
    apparent_temperature: float | None
    precipitation: float | None
    wind_speed_10m: float | None
    weather_code: int | None


class _NowUnits(_Answer):
    temperature_2m: str
    precipitation: str
    wind_speed_10m: str


class NowAnswer(_Answer):
    """The answer to ``current=...``."""

    latitude: float
    longitude: float
    utc_offset_seconds: int = Field(gt=-86_400, lt=86_400)
    current: _Now
    current_units: _NowUnits

    def result(self) -> dict[str, Any]:
        """Return the observation as the history keeps it."""
        now = self.current
        return {
            "latitude": self.latitude,
            "longitude": self.longitude,
            "observed_at": _in_utc(now.time, self.utc_offset_seconds),
            "condition": condition_in_words(now.weather_code),
            "temperature": now.temperature_2m,
            "feels_like": now.apparent_temperature,
            "wind": now.wind_speed_10m,
            "precipitation": now.precipitation,
            "units": {
                "temperature": self.current_units.temperature_2m,
                "wind": self.current_units.wind_speed_10m,
                "precipitation": self.current_units.precipitation,
            },
        }


class _Day(_Answer):
    time: Annotated[list[str], _NOT_EMPTY]
    weather_code: Annotated[list[int | None], _NOT_EMPTY]
    temperature_2m_min: Annotated[list[float], _NOT_EMPTY]
    temperature_2m_max: Annotated[list[float], _NOT_EMPTY]
    precipitation_sum: Annotated[list[float | None], _NOT_EMPTY]
    precipitation_probability_max: Annotated[list[float | None], _NOT_EMPTY]
    sunrise: Annotated[list[datetime], _NOT_EMPTY]
    sunset: Annotated[list[datetime], _NOT_EMPTY]


class _DayUnits(_Answer):
    temperature_2m_min: str
    precipitation_sum: str


class DayAnswer(_Answer):
    """The answer to ``daily=...`` with ``forecast_days=1``."""

    latitude: float
    longitude: float
    utc_offset_seconds: int = Field(gt=-86_400, lt=86_400)
    daily: _Day
    daily_units: _DayUnits

    def result(self, name: str | None) -> dict[str, Any]:
        """Return the digest as the history keeps it.

        Args:
            name: What people call the place, or None; opens the line for people.
        """
        day, units = self.daily, self.daily_units
        rise, down = _sun(day.sunrise[0]), _sun(day.sunset[0])
        return {
            "latitude": self.latitude,
            "longitude": self.longitude,
            "date": day.time[0],
            "condition": condition_in_words(day.weather_code[0]),
            "temperature_min": day.temperature_2m_min[0],
            "temperature_max": day.temperature_2m_max[0],
            "precipitation_sum": day.precipitation_sum[0],
            "precipitation_probability": day.precipitation_probability_max[0],
            "sunrise_at": rise and _in_utc(rise, self.utc_offset_seconds),
            "sunset_at": down and _in_utc(down, self.utc_offset_seconds),
            "units": {"temperature": units.temperature_2m_min, "precipitation": units.precipitation_sum},
            "text": self._text(name, rise, down),
        }

    def _text(self, name: str | None, rise: datetime | None, down: datetime | None) -> str:
        day, units = self.daily, self.daily_units
        low, high = day.temperature_2m_min[0], day.temperature_2m_max[0]
        parts = [condition_in_words(day.weather_code[0]), f"{low:g} to {high:g} {units.temperature_2m_min}"]
        amount, chance = day.precipitation_sum[0], day.precipitation_probability_max[0]
        if amount is not None:
            parts.append(f"{amount:g} {units.precipitation_sum} of precipitation")
        if chance is not None:
            parts[-1] += f" ({chance:g} %)" if amount is not None else f", {chance:g} % chance of precipitation"
        if rise and down:
            parts.append(f"sun {rise:%H:%M} to {down:%H:%M}")
        opening = f"{name}, {day.time[0]}" if name else day.time[0]
        return f"{opening}: {', '.join(parts)}."


def _sun(time: datetime) -> datetime | None:
    # An offset to the west of Greenwich makes it the last hours of 1969.
    return None if time.year <= _NO_SUN_YEAR else time


def _in_utc(time: datetime, utc_offset_seconds: int) -> str:
    """Return the place's wall-clock ``time`` as RFC 3339 in UTC."""
    aware = time.replace(tzinfo=timezone(timedelta(seconds=utc_offset_seconds)))
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
