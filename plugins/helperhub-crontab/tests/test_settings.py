from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from helperhub.settings import load_settings, plugin_settings
from helperhub_crontab.settings import CrontabSettings


@pytest.mark.parametrize("text", ["/a,/b", "/a:/b", '["/a", "/b"]', " /a , /b "])
def test_files_are_a_json_list_or_paths_parted_by_commas_or_colons(text: str) -> None:
    assert CrontabSettings.model_validate({"files": text}).files == (Path("/a"), Path("/b"))


def test_durations_are_text_with_a_unit_and_a_command_may_never_expire() -> None:
    settings = CrontabSettings.model_validate({"time_limit": "2h", "expires_after": "never"})

    assert (settings.time_limit, settings.expires_after) == (timedelta(hours=2), None)


@pytest.mark.parametrize(
    "values",
    [
        {"time_limit": "30"},
        {"time_limit": "0s"},
        {"files": "[/a"},
        {"timezone": "Mars/Base"},
        {"timezone": "../etc"},
        {"overlap": "maybe"},
        {"misspelt": "x"},
    ],
)
def test_what_can_not_be_followed_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CrontabSettings.model_validate(values)


def filled(variables: dict[str, str]) -> CrontabSettings:
    return plugin_settings("crontab", CrontabSettings, load_settings((), variables, plugin_sections={"crontab"}))


def test_settings_are_filled_from_variables_as_a_hub_fills_them() -> None:
    variables = {
        "HELPERHUB_CRONTAB__FILES": "/a,/b",
        "HELPERHUB_CRONTAB__EXPIRES_AFTER": "never",
        "HELPERHUB_CRONTAB__TIME_LIMIT": "90m",
        "HELPERHUB_CRONTAB__ENABLED": "false",
        "HELPERHUB_CRONTAB__OVERLAP": "skip",
    }

    settings = filled(variables)

    assert settings.files == (Path("/a"), Path("/b"))
    assert (settings.expires_after, settings.time_limit) == (None, timedelta(minutes=90))
    assert (settings.enabled, settings.overlap) == (False, "skip")


def test_variable_with_a_json_list_is_taken_too() -> None:
    settings = filled({"HELPERHUB_CRONTAB__FILES": '["/a", "/b,c"]'})

    assert settings.files == (Path("/a"), Path("/b,c"))
