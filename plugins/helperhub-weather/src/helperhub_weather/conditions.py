"""WMO weather codes in words.

Source: the table "WMO Weather interpretation codes (WW)" of Open-Meteo's documentation, a subset of
WMO code table 4677.
"""

from __future__ import annotations

_WORDS = {
    0: "clear sky",
    1: "mainly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    48: "freezing fog",
    51: "light drizzle",
    53: "drizzle",
    55: "dense drizzle",
    56: "light freezing drizzle",
    57: "freezing drizzle",
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    66: "light freezing rain",
    67: "freezing rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    77: "snow grains",
    80: "light rain showers",
    81: "rain showers",
    82: "violent rain showers",
    85: "light snow showers",
    86: "heavy snow showers",
    95: "thunderstorm",
    96: "thunderstorm with light hail",
    99: "thunderstorm with heavy hail",
}


def condition_in_words(code: int | None) -> str:
    """Return what ``code`` means; a code that isn't in the table is named, not guessed."""
    if code is None:
        return "unknown"
    return _WORDS.get(code, f"unknown (WMO code {code})")
