"""``helperhub up`` from the wheels: a day in its life, and its demonstration."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

Run = Callable[..., subprocess.CompletedProcess[str]]
#: Starts ``helperhub up``; what the block gets has ``interrupt()`` and ``log``.
StartUp = Callable[..., AbstractContextManager[Any]]

#: A place for the weather, and an API that nobody answers for.
WEATHER = {
    "HELPERHUB_WEATHER__LATITUDE": "52.52",
    "HELPERHUB_WEATHER__LONGITUDE": "13.41",
    "HELPERHUB_WEATHER__BASE_URL": "http://127.0.0.1:9/v1/forecast",
}


def read_json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def crontab(tmp_path: Path) -> Path:
    """A crontab whose line is due half an hour from now, and every hour after that."""
    minute = (datetime.now(UTC).minute + 30) % 60
    path = tmp_path / "crontab"
    path.write_text(f"CRON_TZ=UTC\n{minute} * * * * echo hello\n")
    return path


def test_up_plans_runs_stops_remembers_and_takes_in_a_new_plugin(
    run: Run,
    start_up: StartUp,
    crontab: Path,
    install: Callable[[Path], None],
    wheels: dict[str, Path],
) -> None:
    settings = {"HELPERHUB_CRONTAB__FILES": str(crontab)}

    with start_up(**settings) as up:
        started_at = datetime.now(UTC)
        [helper] = read_json(run("helpers", "list", "--json"))["helpers"]
        name = helper["name"]
        assert name == "crontab/echo"

        planned = read_json(run("plan", "list", "--json"))["planned"]
        assert [execution["helper"] for execution in planned] == ["crontab", "crontab"]
        due = [datetime.fromisoformat(execution["due_at"]) for execution in planned]
        assert started_at < due[0]
        assert due[1] - due[0] == timedelta(hours=1)
        assert due[1] < started_at + timedelta(hours=2)

        execution = read_json(run("helpers", "run", name, "--wait", "--json"))
        assert execution["status"] == "success"
        assert execution["result"]["output"] == "hello\n"

        executions = read_json(run("executions", "list", "--json"))["executions"]
        assert [found["id"] for found in executions] == [execution["id"]]

        assert up.interrupt() == 0, up.log.read_text()
    assert run("helpers", "list").returncode == 69

    with start_up(**settings) as up:
        assert read_json(run("executions", "list", "--json"))["executions"] == executions
        assert read_json(run("plan", "list", "--json"))["planned"] == planned
        # The archiver took it over before it stopped.
        assert read_json(run("db", "status", "--json"))["executions"] == 1
        assert up.interrupt() == 0, up.log.read_text()

    install(wheels["helperhub-weather"])
    with start_up(**settings, **WEATHER) as up:
        helpers = read_json(run("helpers", "list", "--json"))["helpers"]
        assert [helper["name"] for helper in helpers] == [name, "weather", "weather-digest"]
        planned = read_json(run("plan", "list", "--json"))["planned"]
        assert "weather" in {execution["helper"] for execution in planned}
        assert up.interrupt() == 0, up.log.read_text()


def test_demonstration_shows_success_retry_expiry_and_dead_letter_and_ends_by_itself(run: Run) -> None:
    done = run("up", "--demo", "--for", "45s", timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.splitlines()[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z ]+)", summary)}
    assert counts.keys() >= {"success", "success after a retry", "expired", "error"}, done.stdout
    assert re.search(r"^\S+Z  ok +checkin/flaky .*attempt 2 of 2$", done.stdout, re.MULTILINE)
    assert re.search(r"^\S+Z  expired +checkin/late ", done.stdout, re.MULTILINE)
    assert re.search(r"^\S+Z  DEAD +checkin/broken ", done.stdout, re.MULTILINE)
    assert "Traceback" not in done.stderr

    time.sleep(11)  # two checks of one that is due every five seconds, expiry and all
    again = run("up", "--demo", "--for", "8s", timeout=60)

    # Of what would have been due meanwhile, and of the same helpers.
    assert again.returncode == 0, again.stdout + again.stderr
    assert not re.search(r"while nothing could enqueue it|is gone", again.stdout), again.stdout
    assert re.search(r"^\S+Z  missed +\d+ due times? before this start: checkin/", again.stdout, re.MULTILINE)
