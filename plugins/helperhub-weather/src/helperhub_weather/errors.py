"""What can go wrong between a place on Earth and its weather.

HelperHubError
`-- WeatherError
    |-- InvalidPlace        the payload names no place           never retried
    |-- WeatherRefused      the API says the request is wrong    never retried
    |-- WeatherUnavailable  timeout, no connection, 429 or 5xx   retried
    `-- UnexpectedAnswer    200 with something else in it        retried

Besides these, `helperhub.Retry` carries the delay that the API itself asks for.
"""

from __future__ import annotations

from helperhub import HelperHubError


class WeatherError(HelperHubError):
    """Root of this plugin's errors."""

    code = "weather"


class InvalidPlace(WeatherError):
    """The payload names no place; the same payload will not do better later."""

    code = "weather_invalid_place"


class WeatherRefused(WeatherError):
    """The API refused the request for a reason that will not pass by itself."""

    code = "weather_refused"


class WeatherUnavailable(WeatherError):
    """The API didn't answer, or said that it can't now."""

    code = "weather_unavailable"


class UnexpectedAnswer(WeatherError):
    """The API answered with something that isn't a forecast, as captive portals and proxies do."""

    code = "weather_unexpected_answer"
