"""The demonstration, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from helperhub.cli.demo import open_demo
from helperhub.errors import ConfigurationError
from helperhub.settings import load_settings


def test_crontab_stands_in_the_same_place_each_time(tmp_path: Path) -> None:
    loaded = load_settings([], {"HELPERHUB_DATA_DIR": str(tmp_path / "data")})

    with open_demo(loaded) as one, open_demo(loaded) as other:
        files = {demo.loaded.environ["HELPERHUB_CRONTAB__FILES"] for demo in (one, other)}

    assert files == {str(tmp_path / "data" / "demo.crontab")}


def test_directory_that_cant_be_written_to_is_answered_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    loaded = load_settings([], {"HELPERHUB_DATA_DIR": str(tmp_path / "file")})

    with pytest.raises(ConfigurationError, match="can't be written") as found, open_demo(loaded):
        pass

    assert "HELPERHUB_DATA_DIR" in found.value.hint
