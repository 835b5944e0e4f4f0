"""The hourly helper: what it asks, what it returns, and how it fails."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from helperhub import Context, Retry
from helperhub_weather.errors import InvalidPlace, UnexpectedAnswer, WeatherRefused, WeatherUnavailable
from helperhub_weather.plugin import weather
from helperhub_weather.settings import Settings

MakeSettings = Callable[..., Settings]


def test_observation_is_a_small_dict_with_words_and_units(
    httpserver: HTTPServer, make_settings: MakeSettings, now_answer: dict[str, Any]
) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_json(now_answer)

    result = weather(Context(settings=make_settings()))

    assert result == {
        "latitude": 52.52,
        "longitude": 13.419998,
        "observed_at": "2026-11-23T13:15:00Z",
        "condition": "light rain",
        "temperature": 4.3,
        "feels_like": 1.2,
        "wind": 12.6,
        "precipitation": 0.1,
        "units": {"temperature": "°C", "wind": "km/h", "precipitation": "mm"},
    }
    assert json.loads(json.dumps(result)) == result


def test_request_names_place_units_and_zone(
    httpserver: HTTPServer, make_settings: MakeSettings, now_answer: dict[str, Any]
) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_json(now_answer)

    weather(Context(settings=make_settings(units="imperial", timezone="America/New_York", api_key="k1")))

    request, _ = httpserver.log[0]
    assert request.args.to_dict() == {
        "latitude": "52.52",
        "longitude": "13.41",
        "timezone": "America/New_York",
        "temperature_unit": "fahrenheit",
        "wind_speed_unit": "mph",
        "precipitation_unit": "inch",
        "current": "temperature_2m,apparent_temperature,precipitation,wind_speed_10m,weather_code",
        "apikey": "k1",
    }


def test_payload_overrides_the_place_of_the_settings(
    httpserver: HTTPServer, make_settings: MakeSettings, now_answer: dict[str, Any]
) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_json(now_answer)

    weather(Context(settings=make_settings(), payload={"latitude": -33.87, "longitude": 151.21}))

    args = httpserver.log[0][0].args
    assert (args["latitude"], args["longitude"]) == ("-33.87", "151.21")


@pytest.mark.parametrize(
    "payload", [{"latitude": 1.0}, {"latitude": 91, "longitude": 0}, {"lat": 1, "lon": 2}, "Berlin", [1, 2]]
)
def test_payload_that_names_no_place_fails_without_asking_anybody(
    httpserver: HTTPServer, make_settings: MakeSettings, payload: Any
) -> None:
    with pytest.raises(InvalidPlace, match="names no place"):
        weather(Context(settings=make_settings(), payload=payload))

    assert httpserver.log == []
    assert InvalidPlace in weather.declaration.throws


def test_too_many_requests_are_retried_when_the_server_says(
    httpserver: HTTPServer, make_settings: MakeSettings
) -> None:
    body = {"error": True, "reason": "Minutely API request limit exceeded."}
    httpserver.expect_request("/v1/forecast").respond_with_json(body, status=429, headers={"Retry-After": "90"})

    with pytest.raises(Retry, match=r"status 429: Minutely API request limit exceeded") as caught:
        weather(Context(settings=make_settings()))

    assert caught.value.delay == 90_000


def test_retry_after_as_a_date_is_measured_by_the_servers_own_clock(
    httpserver: HTTPServer, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server whose clock is years off: by ours, the wait would long be over.
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda _: "Mon, 01 Jan 2024 12:00:00 GMT")
    headers = {"Retry-After": "Mon, 01 Jan 2024 12:02:00 GMT"}
    httpserver.expect_request("/v1/forecast").respond_with_data("busy", status=503, headers=headers)

    with pytest.raises(Retry) as caught:
        weather(Context(settings=make_settings()))

    assert caught.value.delay == 120_000


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_failures_that_pass_are_left_to_the_retry_policy(
    httpserver: HTTPServer, make_settings: MakeSettings, status: int
) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_data("<h1>Oops</h1>", status=status)

    with pytest.raises(WeatherUnavailable, match=f"status {status}"):
        weather(Context(settings=make_settings()))

    assert WeatherUnavailable not in weather.declaration.throws


def test_timeout_is_a_clear_error_that_is_retried(make_settings: MakeSettings) -> None:
    # Connections are taken by the backlog, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"

        with pytest.raises(WeatherUnavailable, match=r"did not answer within 0\.2 s"):
            weather(Context(settings=make_settings(timeout="200ms", base_url=url)))


def test_nobody_listening_is_a_clear_error_that_is_retried(make_settings: MakeSettings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        with pytest.raises(WeatherUnavailable, match=rf"127\.0\.0\.1:{port} can't be reached"):
            weather(Context(settings=make_settings(base_url=f"http://127.0.0.1:{port}/v1/forecast")))


def test_refused_request_fails_at_once_with_the_apis_reason(
    httpserver: HTTPServer, make_settings: MakeSettings
) -> None:
    body = {"error": True, "reason": "Invalid timezone"}
    httpserver.expect_request("/v1/forecast").respond_with_json(body, status=400)

    with pytest.raises(WeatherRefused, match="status 400: Invalid timezone"):
        weather(Context(settings=make_settings(timezone="Mars/Olympus", api_key="secret")))

    assert WeatherRefused in weather.declaration.throws


def test_key_never_appears_in_an_error(httpserver: HTTPServer, make_settings: MakeSettings) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_data("no", status=403)

    with pytest.raises(WeatherRefused) as caught:
        weather(Context(settings=make_settings(api_key="s3cret")))

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("<html>Log in to the hotel's network</html>", "the whole answer"),
        ("[]", "the whole answer"),
        ('{"latitude": 1}', "longitude"),
        ('{"error": false}', "latitude"),
    ],
)
def test_answer_that_is_no_forecast_is_named_as_such(
    httpserver: HTTPServer, make_settings: MakeSettings, body: str, where: str
) -> None:
    httpserver.expect_request("/v1/forecast").respond_with_data(body)

    with pytest.raises(UnexpectedAnswer, match=f"not with a forecast: {where}"):
        weather(Context(settings=make_settings()))


def test_missing_figure_is_none_and_missing_temperature_an_error(
    httpserver: HTTPServer, make_settings: MakeSettings, now_answer: dict[str, Any]
) -> None:
    now_answer["current"] |= {"apparent_temperature": None, "weather_code": 42}
    httpserver.expect_ordered_request("/v1/forecast").respond_with_json(now_answer)
    broken = {**now_answer, "current": {**now_answer["current"], "temperature_2m": None}}
    httpserver.expect_ordered_request("/v1/forecast").respond_with_json(broken)

    result = weather(Context(settings=make_settings()))

    assert result["feels_like"] is None
    assert result["condition"] == "unknown (WMO code 42)"
    with pytest.raises(UnexpectedAnswer, match=r"current\.temperature_2m"):
        weather(Context(settings=make_settings()))


def test_figure_that_json_cannot_hold_is_an_unexpected_answer(
    httpserver: HTTPServer, make_settings: MakeSettings, now_answer: dict[str, Any]
) -> None:
    now_answer["current"]["wind_speed_10m"] = float("nan")
    httpserver.expect_request("/v1/forecast").respond_with_data(json.dumps(now_answer))

    with pytest.raises(UnexpectedAnswer, match=r"current\.wind_speed_10m"):
        weather(Context(settings=make_settings()))
