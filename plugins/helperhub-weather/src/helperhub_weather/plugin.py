"""The two helpers, and the hook that brings them in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from helperhub import Context, Daily, Every, Registrar, RetryPolicy, helper, hookimpl
from helperhub_weather.answers import DAY_VARIABLES, NOW_VARIABLES, DayAnswer, NowAnswer
from helperhub_weather.errors import InvalidPlace, WeatherRefused
from helperhub_weather.forecast import load_forecast
from helperhub_weather.settings import Settings, place_of

#: What the same request will not cure.
_LASTING = (InvalidPlace, WeatherRefused)
#: Open-Meteo counts requests per minute first: the first delay is past the next full one.
_RETRY = RetryPolicy(max_attempts=4, min_backoff=timedelta(seconds=60), max_backoff=timedelta(minutes=10))
_TIME_LIMIT = timedelta(minutes=3)


@helper(
    schedule=Every(timedelta(hours=1)),
    expires_after=timedelta(minutes=30),
    retry=_RETRY,
    time_limit=_TIME_LIMIT,
    settings=Settings,
    throws=_LASTING,
)
def weather(ctx: Context[Settings]) -> dict[str, Any]:
    """Observe the weather: temperature, wind, precipitation and the sky in words."""
    place = place_of(ctx.payload, ctx.settings)
    return load_forecast(ctx.settings, place, {"current": NOW_VARIABLES}, answer=NowAnswer).result()


@helper(
    schedule=Daily("07:30"),
    priority=2,
    expires_after=timedelta(hours=4),
    retry=_RETRY,
    time_limit=_TIME_LIMIT,
    settings=Settings,
    throws=_LASTING,
)
def weather_digest(ctx: Context[Settings]) -> dict[str, Any]:
    """Say in one line what the day's weather will be, with the figures behind it."""
    place = place_of(ctx.payload, ctx.settings)
    variables = {"daily": DAY_VARIABLES, "forecast_days": "1"}
    return load_forecast(ctx.settings, place, variables, answer=DayAnswer).result(ctx.instance)


@hookimpl
def helperhub_register(hub: Registrar) -> None:
    """Bring in both helpers, and an instance of each for every further place.

    Raises:
        ConfigurationError: No place is set, or a setting doesn't fit; the message names the variable.
    """
    settings = hub.settings(Settings)
    for declared in (weather, weather_digest):
        hub.add(declared)
        for name, place in settings.places.items():
            hub.add(declared, instance=name, payload=place.model_dump())
