"""Limits and pauses on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

Call = Callable[..., Result]
Answer = Callable[..., Any]


def test_limits_are_changed_shown_and_dropped(call: Call, answer: Answer) -> None:
    assert call("helpers", "update", "tidy", "--concurrency", "3", "--rate", "10/m").exit_code == 0
    assert answer("helpers", "show", "tidy")["limits"] == {"concurrency": 3, "rate": "10/m"}
    assert "limits      concurrency 3, rate 10/m" in call("helpers", "show", "tidy").stdout

    assert call("helpers", "update", "tidy", "--rate", "none").exit_code == 0
    assert answer("helpers", "show", "tidy/cellar")["limits"] == {"concurrency": 3}

    assert call("helpers", "reset", "tidy").exit_code == 0
    assert answer("helpers", "show", "tidy")["limits"] == {}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--concurrency", "few"], "neither a number nor 'none'"),
        (["--concurrency", "0"], "out of range"),
        (["--rate", "often"], "'100/m'"),
        (["--rate", "99999/s"], "out of range"),
        (["--concurrency-per-key", "1"], "concurrency_key"),
    ],
)
def test_limits_that_cannot_be_kept_exit_with_2(call: Call, options: list[str], why: str) -> None:
    result = call("helpers", "update", "tidy", *options)

    assert result.exit_code == 2
    assert why in result.stderr


def test_a_helper_is_paused_explained_and_resumed(call: Call, answer: Answer) -> None:
    assert call("helpers", "pause", "tidy", "--reason", "painters").stdout == "tidy is paused: what is due waits.\n"
    id_ = answer("helpers", "run", "tidy")["id"]

    assert "enabled, paused: painters" in call("helpers", "show", "tidy").stdout
    assert call("why", id_).stdout == "queued: Helper tidy is paused: painters; it is number 1 in line.\n"
    assert answer("why", id_)["waits_for"] == {"limit": "pause of helper tidy", "place": 1}
    assert answer("executions", "show", id_)["waits_for"] == {"limit": "pause of helper tidy", "place": 1}
    assert "waits for  pause of helper tidy; number 1 in line" in call("executions", "show", id_).stdout
    assert [row.split()[:4] for row in call("queues", "list").stdout.splitlines()] == [
        ["QUEUE", "STATE", "READY", "PARKED"],
        ["default", "open", "0", "1"],
    ]

    assert call("helpers", "resume", "tidy").stdout == "tidy goes on.\n"
    assert answer("why", id_)["why"] == "No worker process serves queue default."


def test_why_of_an_unknown_execution_exits_with_3(call: Call) -> None:
    assert call("why", "nobody").exit_code == 3
