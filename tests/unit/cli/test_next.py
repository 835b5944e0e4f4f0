"""``helperhub next`` answers without hub and Redis."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

Call = Callable[..., Result]


def test_next_lists_due_times_as_one_json_document(call: Call) -> None:
    words = [
        "next",
        "0 9 * * 1-5",
        "--tz",
        "Europe/Berlin",
        "--after",
        "2026-03-28T00:00:00Z",
        "--count",
        "2",
        "--json",
    ]

    result = call(*words)

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"fires": ["2026-03-30T07:00:00Z", "2026-03-31T07:00:00Z"]}
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("daily 07:30", "2026-03-28T07:30:00Z"),
        ("every 30m", "2026-03-28T00:30:00Z"),
        ("cron 0 9 * * *", "2026-03-28T09:00:00Z"),
        ("@daily", "2026-03-29T00:00:00Z"),
        ("@daily tz=Europe/Berlin", "2026-03-28T23:00:00Z"),
        ("once 2026-11-23T08:30:00Z", "2026-11-23T08:30:00Z"),
        ('{"type": "daily", "time": "07:30", "priority": 2}', "2026-03-28T07:30:00Z"),
    ],
)
def test_next_takes_every_notation_of_a_schedule(call: Call, expression: str, first: str) -> None:
    result = call("next", expression, "--after", "2026-03-28T00:00:00Z", "--count", "1", "--json")

    assert json.loads(result.stdout) == {"fires": [first]}


def test_next_takes_the_zone_of_the_settings_when_none_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_TIMEZONE", "Asia/Tokyo")

    result = call("next", "daily 07:30", "--after", "2026-03-28T00:00:00Z", "--count", "1", "--json")

    assert json.loads(result.stdout) == {"fires": ["2026-03-28T22:30:00Z"]}


def test_next_shows_people_utc_distance_and_the_schedules_zone(call: Call) -> None:
    result = call("next", "daily 07:30 tz=Europe/Berlin", "--after", "2099-07-01T00:00:00Z", "--count", "1")

    heading, line = result.stdout.splitlines()
    assert heading.split() == ["DUE", "EUROPE/BERLIN"]
    assert line.startswith("2099-07-01 05:30:00Z, in ")
    assert line.endswith("Wed 2099-07-01 07:30:00 CEST")


def test_next_gives_five_from_now_when_nothing_else_is_said(call: Call) -> None:
    result = call("next", "every 1h", "--json")

    assert len(json.loads(result.stdout)["fires"]) == 5


def test_next_says_so_when_a_schedule_is_over(call: Call) -> None:
    result = call("next", "once 2020-01-01T00:00:00Z")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "It never fires after that.\n"


@pytest.mark.parametrize(
    "words",
    [
        ["every 5"],
        ["daily 25:00"],
        ["61 * * * *"],
        ["{"],
        ["@daily", "--tz", "Berlin"],
        ["@daily", "--after", "yesterday"],
        ["@daily", "--after", "2026-03-28T00:00:00"],
        ["@daily", "--count", "0"],
        [],
    ],
)
def test_next_exits_with_2_when_it_cannot_understand(call: Call, words: list[str]) -> None:
    assert call("next", *words).exit_code == 2


def test_refused_schedule_is_one_line_and_with_json_a_document_too(call: Call) -> None:
    result = call("next", "every 5", "--json")

    line, document = result.stderr.splitlines()
    assert line == "helperhub: Schedule has interval '5': a bare number has no unit. Write '5s', '5m' or '5h'."
    assert json.loads(document) == {
        "error": {
            "code": "invalid_schedule",
            "message": "Schedule has interval '5': a bare number has no unit.",
            "hint": "Write '5s', '5m' or '5h'.",
        }
    }
    assert result.stdout == ""


def test_refused_option_is_a_document_too_wherever_json_stands(call: Call) -> None:
    result = call("next", "@daily", "--after", "x", "--json")

    assert json.loads(result.stderr.splitlines()[-1])["error"]["code"] == "usage"
