"""The plugin's settings, filled from ``HELPERHUB_WEATHER__*``, and the place a payload may name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, SecretStr, ValidationError

from helperhub import HelperHubError
from helperhub.model.duration import parse_duration
from helperhub_weather.errors import InvalidPlace

PUBLIC_API = "https://api.open-meteo.com/v1/forecast"

Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except HelperHubError as error:
        # pydantic names the variable for a ValueError only.
        raise ValueError(str(error)) from error


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "{}")
    except json.JSONDecodeError as error:
        message = f"that is not JSON: {error}."
        raise ValueError(message) from error


#: What HelperHub takes as an instance's name.
PlaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Place(BaseModel):
    """A point on Earth.

    Args:
        latitude: Degrees, north is positive.
        longitude: Degrees, east is positive.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latitude: Latitude
    longitude: Longitude


class Settings(BaseModel):
    """Where, in which units, and from which server.

    Args:
        latitude: Degrees, north is positive.
        longitude: Degrees, east is positive.
        places: More places, by name; each becomes an instance of both helpers.
        units: ``metric`` (°C, km/h, mm) or ``imperial`` (°F, mph, inch).
        timezone: IANA name whose day the digest covers; ``auto`` is the place's own.
        base_url: The forecast endpoint; another one for a server of your own.
        api_key: Key of a commercial Open-Meteo plan; None for the free service.
        timeout: How long to wait for the connection, and for each part of the answer; at most 1 minute.
    """

    # An error must not quote the values: one of them is a key.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    latitude: Latitude
    longitude: Longitude
    places: Annotated[dict[PlaceName, Place], BeforeValidator(_json)] = Field(default_factory=dict)
    units: Literal["metric", "imperial"] = "metric"
    timezone: str = Field(default="auto", min_length=1)
    base_url: HttpUrl = HttpUrl(PUBLIC_API)
    api_key: SecretStr | None = None
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)


def place_of(payload: Any, settings: Settings) -> Place:
    """Return the place that ``payload`` names, or the settings' own if it names none.

    Args:
        payload: None, an empty mapping, or one with latitude and longitude.
        settings: The source of the usual place.

    Raises:
        InvalidPlace: The payload isn't a mapping, names half a place or one off the globe, or holds
            a key that nobody would read (a misspelt one must not end in another place's weather).
    """
    if payload is None or payload == {}:
        return Place(latitude=settings.latitude, longitude=settings.longitude)
    example = 'Send {"latitude": 52.52, "longitude": 13.41}, or nothing for the place in the settings.'
    if not isinstance(payload, Mapping):
        message = f"The payload names no place: it is a {type(payload).__name__}, not an object."
        raise InvalidPlace(message, hint=example)
    try:
        return Place.model_validate(dict(payload))
    except ValidationError as error:
        flaws = "; ".join(f"{'.'.join(map(str, flaw['loc']))}: {flaw['msg']}" for flaw in error.errors())
        message = f"The payload names no place: {flaws}."
        raise InvalidPlace(message, hint=example) from error
