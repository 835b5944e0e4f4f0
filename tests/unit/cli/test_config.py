"""``helperhub config`` shows and checks settings without Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Call = Callable[..., Result]
_BLOCK_ALL = {"HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping,notify"}


@pytest.fixture(autouse=True)
def no_plugins(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what happens to be installed beside the tests."""
    del call  # it clears the environment first
    for name, value in _BLOCK_ALL.items():
        monkeypatch.setenv(name, value)


def test_config_show_tells_value_and_source_of_each_setting(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "hub.env").write_text("# ours\nHELPERHUB_WORKER__THREADS=3\n")
    monkeypatch.setenv("HELPERHUB_SCHEDULER__WINDOW", "3h")

    result = call("--env-file", "hub.env", "config", "show", "--json")

    settings = {row["variable"]: (row["value"], row["source"]) for row in json.loads(result.stdout)["settings"]}
    assert settings["HELPERHUB_WORKER__THREADS"] == ("3", "hub.env:2")
    assert settings["HELPERHUB_SCHEDULER__WINDOW"] == ("3h", "process environment")
    assert settings["HELPERHUB_WORKER__PROCESSES"] == ("4", "default")


def test_later_env_file_wins(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("HELPERHUB_HUB=a\n")
    (tmp_path / "b.env").write_text("HELPERHUB_HUB=b\n")

    result = call("--env-file", "a.env", "--env-file", "b.env", "config", "show")

    assert ["HELPERHUB_HUB", "b", "b.env:1"] in [line.split() for line in result.stdout.splitlines()]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_config_show_never_shows_secrets(call: Call, monkeypatch: pytest.MonkeyPatch, as_json: list[str]) -> None:
    monkeypatch.setenv("HELPERHUB_REDIS_URL", "redis://user:hunter2@host:6379/0")
    monkeypatch.setenv("HELPERHUB_ON_FAILURE__SMTP_PASSWORD", "hunter2")
    monkeypatch.setenv("HELPERHUB_WEATHER__API_KEY", "hunter2")
    monkeypatch.setenv("HELPERHUB_WEATHER__BASE_URL", "https://me:hunter2@example.org/")

    result = call("config", "show", *as_json)

    assert result.exit_code == 0
    assert "HELPERHUB_WEATHER__API_KEY" in result.stdout
    assert "example.org" in result.stdout
    assert "hunter2" not in result.stdout


def test_config_check_exits_with_0_when_all_is_well(call: Call) -> None:
    assert call("config", "check").exit_code == 0
    assert json.loads(call("config", "check", "--json").stdout) == {"ok": True, "problems": []}


def test_config_check_names_each_problem_and_exits_with_78(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_WORKER__THREADS", "many")
    monkeypatch.setenv("HELPERHUB_TIMZONE", "UTC")

    result = call("config", "check")
    document = json.loads(call("config", "check", "--json").stdout)

    assert result.exit_code == 78
    assert [line.split()[:2] for line in result.stderr.splitlines()] == [
        ["helperhub:", "HELPERHUB_TIMZONE"],
        ["helperhub:", "HELPERHUB_WORKER__THREADS='many':"],
    ]
    assert (document["ok"], len(document["problems"])) == (False, 2)


def test_config_check_finds_plugins_whose_settings_are_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_PLUGINS__BLOCKED", "checkin,crontab")

    result = call("config", "check")

    if "weather" not in call("plugins", "list").stdout:
        pytest.skip("helperhub-weather isn't installed")
    assert result.exit_code == 78
    assert "HELPERHUB_WEATHER__LATITUDE" in result.stderr


def test_missing_env_file_exits_with_78(call: Call) -> None:
    result = call("--env-file", "nope.env", "config", "show")

    assert result.exit_code == 78
    assert result.stderr.startswith("helperhub: Env file nope.env isn't there.")


def test_every_command_that_needs_a_hub_exits_with_78_when_a_setting_is_wrong(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELPERHUB_WORKER__THREADS", "many")

    for words in (["helpers", "list"], ["doctor"], ["plugins", "list"], ["worker"], ["next", "@daily"]):
        assert call(*words).exit_code == 78, words


def test_commands_exit_with_69_when_no_redis_is_configured_and_none_runs(call: Call) -> None:
    result = call("helpers", "list", "--json")

    assert result.exit_code == 69
    assert "Start 'helperhub up'" in result.stderr
    assert json.loads(result.stderr.splitlines()[-1])["error"]["code"] == "store_unavailable"


def test_doctor_finds_that_there_is_no_redis_and_exits_with_3(call: Call) -> None:
    result = call("doctor", "--json")

    document = json.loads(result.stdout)
    assert result.exit_code == 3
    assert document["ok"] is False
    assert [finding["grade"] for finding in document["findings"] if finding["check"] == "redis"] == ["problem"]


def test_plugins_are_listed_where_no_redis_runs(call: Call) -> None:
    document = json.loads(call("plugins", "list", "--json").stdout)

    assert document["plugins"] == []
    assert document["quarantined"] == []
    known = {"weather", "checkin", "crontab", "housekeeping", "notify"}
    assert {plugin["name"] for plugin in document["blocked"]} <= known
