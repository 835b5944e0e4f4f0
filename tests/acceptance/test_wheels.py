"""What the built wheels hold and ask for."""

from __future__ import annotations

import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


def read_metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_a_wheel_is_built_of_helperhub_and_of_every_plugin(wheels: dict[str, Path]) -> None:
    assert set(wheels) == {"helperhub", *(path.name for path in ROOT.glob("plugins/*/"))}


def test_wheels_hold_their_own_package_and_nothing_else(wheels: dict[str, Path]) -> None:
    for name, wheel in wheels.items():
        with zipfile.ZipFile(wheel) as archive:
            folders = {entry.split("/")[0] for entry in archive.namelist()}
            package = name.replace("-", "_")
            assert {folder for folder in folders if not folder.endswith(".dist-info")} == {package}
            assert f"{package}/py.typed" in archive.namelist()


def test_wheel_of_helperhub_holds_every_file_of_its_source(wheels: dict[str, Path]) -> None:
    folder = ROOT / "src"
    expected = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    with zipfile.ZipFile(wheels["helperhub"]) as archive:
        assert expected - set(archive.namelist()) == set()


def test_wheels_name_their_license_and_their_readme(wheels: dict[str, Path]) -> None:
    for name, wheel in wheels.items():
        metadata = read_metadata(wheel)

        # Swagger UI, htmx and uPlot come with it.
        assert metadata["License-Expression"] == ("MIT AND Apache-2.0 AND 0BSD" if name == "helperhub" else "MIT")
        assert metadata["License-File"] == "LICENSE"
        assert metadata["Requires-Python"] == ">=3.11"
        assert len(str(metadata.get_payload())) > 50
