"""Commands that need no server, and what they say when they would need one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

import helperhub

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_version_is_told_in_one_line(run: Run) -> None:
    done = run("--version")

    assert (done.returncode, done.stdout) == (0, f"helperhub {helperhub.__version__}\n")


def test_weekday_mornings_keep_their_local_time_across_the_change_of_the_clock(run: Run) -> None:
    words = ("--tz", "Europe/Berlin", "--after", "2026-03-28T00:00:00Z", "--count", "5", "--json")

    done = run("next", "0 9 * * 1-5", *words)

    assert done.returncode == 0
    # Summer time begins on Sunday the 29th: 9:00 is 7:00 UTC from Monday on.
    days = ("2026-03-30", "2026-03-31", "2026-04-01", "2026-04-02", "2026-04-03")
    assert json.loads(done.stdout) == {"fires": [f"{day}T07:00:00Z" for day in days]}


@pytest.mark.parametrize("words", [("helpers", "list"), ("plan", "list"), ("executions", "list"), ("dead", "list")])
def test_without_a_server_a_command_says_how_to_start_one(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)

    assert done.returncode == 69
    assert done.stdout == ""
    assert "start 'helperhub up'" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_without_a_server_json_is_told_why_on_stderr(run: Run) -> None:
    done = run("helpers", "list", "--json")

    assert done.returncode == 69
    assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == "store_unavailable"


def test_unknown_setting_ends_with_its_name_and_no_traceback(run: Run) -> None:
    done = run("up", HELPERHUB_WROKER__THREADS="4")

    assert done.returncode == 78
    assert "HELPERHUB_WROKER__THREADS" in done.stderr
    assert "Traceback" not in done.stderr
