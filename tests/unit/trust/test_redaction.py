"""What is taken out of texts and values, and what is left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helperhub.trust.redaction import MASK, is_secret_name, redact, redact_fields, redact_text, secret_texts

KEY = "hh_live_3f9aK2mPq8Zx_" + "a" * 43 + "bbbbbb"
TOKEN = "wh_3f9aK2mPq8Zx_" + "A" * 43


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"the key {KEY} was used", KEY),
        (f"POST /webhook/{TOKEN} failed", TOKEN),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw.", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("Authorization: Bearer abc.def-ghi_123", "abc.def-ghi_123"),
        ("authorization=Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("password=hunter2", "hunter2"),
        ("password = 'two words'", "two words"),
        ('{"client_secret": "s3 cret", "a": 1}', "s3 cret"),
        (json.dumps(json.dumps({"api_key": "k-1"})), "k-1"),
        ("GET /?token=abc&x=1", "abc"),
        ("X-Api-Key: 12ab", "12ab"),
        ("Cookie: sid=77", "sid=77"),
        ("no route to redis://user:hunter2@host:6379", "hunter2"),
        ("card 4242 4242 4242 4242 declined", "4242 4242 4242 4242"),
        ("card 378282246310005 declined", "378282246310005"),
    ],
)
def test_secret_is_taken_out_of_a_text(text: str, secret: str) -> None:
    shown = redact_text(text)

    assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "worker-1 took 12 executions",
        "token_count=5 keys=3",
        "the tokens of the text",
        "started_at_ms=1764312345678 due_ms=1764312345670",
        "card 4242 4242 4242 4241 has a typing error",
        "weather@20261123T083000Z",
        "https://hub.example/docs",
        "No helper is named 'wether'. Did you mean 'weather'?",
        "it passes: 4 of 4",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert redact_text(text) == text


def test_rest_of_a_text_stays() -> None:
    assert redact_text("user=ada password=hunter2 city=Berlin") == f"user=ada password={MASK} city=Berlin"


def test_json_stays_json() -> None:
    text = json.dumps({"password": 'a"b', "next": "x"})

    assert json.loads(redact_text(text)) == {"password": MASK, "next": "x"}


def test_known_values_are_taken_out_wherever_they_stand() -> None:
    assert redact_text("no door for sesame-7", ["sesame-7"]) == f"no door for {MASK}"


def test_names_and_shape_of_a_value_stay() -> None:
    value = {
        "user": "ada",
        "passwords": ["a", "b"],
        "deep": [{"accessToken": "t", "n": 1}],
        "secret": None,
        "pin": True,
    }

    assert redact(value) == {
        "user": "ada",
        "passwords": MASK,
        "deep": [{"accessToken": MASK, "n": 1}],
        "secret": None,
        "pin": True,
    }


def test_declared_fields_are_taken_out_at_any_depth_and_nothing_is_guessed() -> None:
    value = {"iban": "DE02", "all": [{"iban": "DE03", "token": "stays"}]}

    assert redact_fields(value, {"iban"}) == {"iban": MASK, "all": [{"iban": MASK, "token": "stays"}]}
    assert secret_texts(value, {"iban"}) == ["DE02", "DE03"]


@pytest.mark.parametrize("name", ["password", "client_secret", "X-Api-Key", "accessToken", "Set-Cookie", "PRIVATE_KEY"])
def test_name_tells_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["token_count", "keyboard", "passenger", "spin", "secretary", "key", "monkey"])
def test_name_that_only_looks_like_one_tells_none(name: str) -> None:
    assert not is_secret_name(name)


def test_value_that_is_too_deep_ends() -> None:
    value: Any = "x"
    for _ in range(1000):
        value = [value]

    assert MASK in str(redact(value))


def test_text_that_fits_nothing_takes_no_time_however_long() -> None:
    # Patterns whose parts overlap take quadratic time and more: this one would run for minutes.
    text = "password" * 20_000 + "://" * 20_000 + "4" * 50_000 + "-" * 20_000

    assert len(redact_text(text)) > 0
