"""No action of a page is without a test that takes it."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from tests.browser.actions import actions


def _taken_in(module: ModuleType) -> set[str]:
    marks = [mark for one in vars(module).values() for mark in getattr(one, "pytestmark", []) if mark.name == "acts"]
    return {action for mark in marks for action in mark.args}


def test_every_action_of_the_templates_is_taken_by_a_test() -> None:
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    taken = set().union(*(_taken_in(importlib.import_module(f"tests.browser.{file.stem}")) for file in files))

    assert sorted(actions() - taken) == [], "no test takes these"
    assert sorted(taken - actions()) == [], "no template has these"
