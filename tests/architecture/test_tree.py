"""Facts about the tree that nobody should have to remember."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import helperhub

ROOT = Path(__file__).parents[2]
LUA = sorted((ROOT / "src/helperhub/store/lua").glob("*.lua"))


def python_files() -> Iterator[Path]:
    for folder in ("src", "plugins", "tests", "bench"):
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if ".venv" not in path.parts)


def projects() -> list[Path]:
    return [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]


def requirements(project: dict[str, Any]) -> Iterator[str]:
    yield from project["project"]["dependencies"]
    yield from project["build-system"]["requires"]
    for extra in project["project"].get("optional-dependencies", {}).values():
        yield from extra
    for group in project.get("dependency-groups", {}).values():
        yield from group


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}

    assert {str(path): length for path, length in lengths.items() if length > 400} == {}


def test_nothing_is_left_to_do() -> None:
    mark = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "X" * 3 + r"\b"]))

    assert [str(path) for path in python_files() if mark.search(path.read_text())] == []


@pytest.mark.parametrize("name", helperhub.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(helperhub, name) is not None


@pytest.mark.parametrize("path", projects(), ids=lambda path: path.parent.name)
def test_every_dependency_is_pinned(path: Path) -> None:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    pinned = {name.lower().replace("_", "-") for name in pins}

    named = {re.split(r"[^A-Za-z0-9_-]", text)[0].lower() for text in requirements(tomllib.loads(path.read_text()))}

    assert named - pinned - {"helperhub"} == set()


def test_python_versions_that_are_claimed_are_those_that_tox_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")

    claimed = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["classifiers"]))

    assert claimed
    assert [f"py3{minor}" for minor in claimed] == re.findall(r"py3\d+", tox["tox"]["env_list"])


def test_tests_of_plugins_need_nothing_that_the_test_command_lacks() -> None:
    groups = [tomllib.loads(path.read_text()).get("dependency-groups", {}).get("test", []) for path in projects()]
    ours, *theirs = [{re.split(r"[<>=~!; ]", text)[0] for text in group} for group in groups]

    assert set().union(*theirs) - ours == set()
