from __future__ import annotations

import os
from pathlib import Path

import pytest

from helperhub.errors import ConfigurationError
from helperhub.settings import load_settings


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings([path], {})
    return str(caught.value)


def test_process_environment_wins_over_files_and_later_files_over_earlier_ones(tmp_path: Path) -> None:
    first = write(
        tmp_path / "first.env", "HELPERHUB_HUB=first\nHELPERHUB_MAX_PAYLOAD=2000\nHELPERHUB_MAX_RESULT=2000\n"
    )
    second = write(tmp_path / "second.env", "HELPERHUB_MAX_PAYLOAD=3000\nHELPERHUB_MAX_RESULT=3000\n")

    settings = load_settings([first, second], {"HELPERHUB_MAX_RESULT": "4000"}).settings

    assert (settings.hub, settings.max_payload, settings.max_result) == ("first", 3000, 4000)


def test_empty_variable_of_the_process_hides_nothing_a_file_says(tmp_path: Path) -> None:
    file = write(tmp_path / "a.env", "HELPERHUB_HUB=first\n")

    assert load_settings([file], {"HELPERHUB_HUB": ""}).settings.hub == "first"


def test_env_files_are_those_the_environment_names(tmp_path: Path) -> None:
    first = write(tmp_path / "first.env", "HELPERHUB_HUB=first\n")
    second = write(tmp_path / "second.env", "HELPERHUB_MAX_PAYLOAD=3000\n")

    loaded = load_settings(environ={"HELPERHUB_ENV_FILE": os.pathsep.join([str(first), str(second)])})

    assert loaded.env_files == (first, second)
    assert (loaded.settings.hub, loaded.settings.max_payload) == ("first", 3000)


def test_settings_env_of_the_working_directory_is_read_when_nothing_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "settings.env", "HELPERHUB_HUB=here\n")
    monkeypatch.chdir(tmp_path)

    assert load_settings(environ={}).settings.hub == "here"
    assert load_settings([], {}).settings.hub == "main"


def test_process_environment_of_this_process_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_HUB", "process")

    assert load_settings([]).settings.hub == "process"


def test_named_env_file_that_is_missing_is_refused_with_its_name(tmp_path: Path) -> None:
    message = refusal(tmp_path / "gone.env")

    assert message == (
        f"Env file {tmp_path}/gone.env isn't there. Mend the name, or take it out of HELPERHUB_ENV_FILE."
    )


def test_directory_in_place_of_an_env_file_is_refused(tmp_path: Path) -> None:
    assert "can't be read" in refusal(tmp_path)


@pytest.mark.parametrize("line", ["HELPERHUB_HUB", "just words", 'HELPERHUB_HUB="open'])
def test_line_that_sets_nothing_is_refused_with_its_number_and_without_its_text(tmp_path: Path, line: str) -> None:
    message = refusal(write(tmp_path / "a.env", f"# settings\n\nHELPERHUB_MAX_PAYLOAD=2000\n\n{line}\n"))

    assert "can't be understood at line 5." in message
    assert line not in message


def test_env_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.env", b"HELPERHUB_HUB=a\nHELPERHUB_TIMEZONE=\xe4\n"))

    assert "isn't UTF-8: line 2 has the byte 0xe4." in message


def test_variables_are_told_with_file_and_line_or_process(tmp_path: Path) -> None:
    file = write(tmp_path / "a.env", "\n\nHELPERHUB_HUB='a'\nexport HELPERHUB_MAX_RESULT=2000 # bytes\n")

    loaded = load_settings([file], {"REDIS_URL": "redis://localhost"})

    assert loaded.sources == {
        "HELPERHUB_HUB": f"{file}:3",
        "HELPERHUB_MAX_RESULT": f"{file}:4",
        "REDIS_URL": "process environment",
    }


def test_loaded_settings_show_no_environment_when_printed() -> None:
    loaded = load_settings([], {"REDIS_URL": "redis://:s3cret@localhost", "PASSWORD": "s3cret"})

    assert "s3cret" not in repr(loaded)
    assert loaded.environ["PASSWORD"] == "s3cret"
