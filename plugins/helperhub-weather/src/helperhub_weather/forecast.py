"""One call of the Open-Meteo forecast API, and its failures told apart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from helperhub import Retry
from helperhub_weather import __version__
from helperhub_weather.errors import UnexpectedAnswer, WeatherRefused, WeatherUnavailable
from helperhub_weather.retry_after import parse_http_date, parse_retry_after
from helperhub_weather.settings import Place, Settings

AnswerT = TypeVar("AnswerT", bound=BaseModel)

_IMPERIAL = {"temperature_unit": "fahrenheit", "wind_speed_unit": "mph", "precipitation_unit": "inch"}
_METRIC = {"temperature_unit": "celsius", "wind_speed_unit": "kmh", "precipitation_unit": "mm"}


def load_forecast(settings: Settings, place: Place, variables: Mapping[str, str], *, answer: type[AnswerT]) -> AnswerT:
    """Ask the API about ``place`` and return what it answers.

    Args:
        settings: The server, the units and the time zone.
        place: The point to ask about.
        variables: What to ask for, such as ``{"current": "temperature_2m"}``.
        answer: The model that the answer must fit.

    Raises:
        dramatiq.Retry: The server can't answer now and says when to come back.
        WeatherUnavailable: It can't be reached, or can't answer now and doesn't say until when.
        WeatherRefused: It won't answer this request.
        UnexpectedAnswer: What it answers isn't a forecast.
    """
    response = _ask(settings, {**_place_and_units(settings, place), **variables})
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        _raise_unavailable(settings, response)
    if response.status_code != httpx.codes.OK:
        message = f"{_shown(settings)} refused the request with status {response.status_code}: {_reason(response)}"
        raise WeatherRefused(message)
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        flaw = error.errors()[0]
        where = ".".join(map(str, flaw["loc"])) or "the whole answer"
        message = f"{_shown(settings)} answered 200, but not with a forecast: {where}: {flaw['msg']}."
        raise UnexpectedAnswer(message, hint="Check HELPERHUB_WEATHER__BASE_URL and proxies on the way.") from error


def _ask(settings: Settings, params: Mapping[str, str]) -> httpx.Response:
    headers = {"User-Agent": f"helperhub-weather/{__version__}", "Accept": "application/json"}
    try:
        with httpx.Client(timeout=settings.timeout.total_seconds(), headers=headers) as client:
            return client.get(str(settings.base_url), params=params)
    except httpx.TimeoutException as error:
        seconds = settings.timeout / timedelta(seconds=1)
        message = f"{_shown(settings)} did not answer within {seconds:g} s."
        raise WeatherUnavailable(message) from error
    except httpx.HTTPError as error:
        message = f"{_shown(settings)} can't be reached: {error}."
        raise WeatherUnavailable(message) from error


def _place_and_units(settings: Settings, place: Place) -> dict[str, str]:
    params = {"latitude": str(place.latitude), "longitude": str(place.longitude), "timezone": settings.timezone}
    params |= _IMPERIAL if settings.units == "imperial" else _METRIC
    if settings.api_key is not None:
        params["apikey"] = settings.api_key.get_secret_value()
    return params


def _raise_unavailable(settings: Settings, response: httpx.Response) -> None:
    message = f"{_shown(settings)} can't answer now, status {response.status_code}: {_reason(response)}"
    # The header's date is the server's; measured against the server's clock, ours doesn't matter.
    now = parse_http_date(response.headers.get("Date")) or datetime.now(UTC)
    wait = parse_retry_after(response.headers.get("Retry-After"), now=now)
    if wait is None:
        raise WeatherUnavailable(message)
    raise Retry(message, delay=wait // timedelta(milliseconds=1))


def _reason(response: httpx.Response) -> str:
    """Return the ``reason`` of the API's error document, or the status in words."""
    try:
        document = response.json()
    except ValueError:
        document = None
    reason = document.get("reason") if isinstance(document, dict) else None
    return str(reason)[:500] if reason else f"{response.reason_phrase or 'no reason given'}."


def _shown(settings: Settings) -> str:
    """Return the server's name for messages: no query, which may hold a key, and no password."""
    url = settings.base_url
    return f"{url.host}:{url.port}" if url.port not in {None, 80, 443} else str(url.host)
