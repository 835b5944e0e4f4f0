"""The project's own checks, so that one command runs them all: rules, layout, types, floors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Where modules of the plugins are found; each is a distribution of its own.
SOURCES = ["src", "tests", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/src"))]


def run(*argv: str) -> None:
    done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_kept() -> None:
    run("ruff", "check", ".")


def test_layout_is_kept() -> None:
    run("ruff", "format", "--check", ".")


@pytest.mark.timeout(300)
def test_types_are_strict_everywhere() -> None:
    run("mypy", *SOURCES)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("folder", sorted(ROOT.glob("plugins/*/tests")), ids=lambda folder: folder.parent.name)
def test_types_are_strict_in_the_tests_of_a_plugin(folder: Path) -> None:
    # One by one: every plugin has its own conftest.
    run("mypy", str(folder))


@pytest.mark.timeout(60)
def test_imports_go_down_the_floors_only() -> None:
    script = Path(sys.executable).parent / "lint-imports"

    done = subprocess.run([script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
