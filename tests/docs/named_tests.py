"""Tests that a page names in backticks, and whether they are there."""

from __future__ import annotations

import ast
import re

from tests.docs.conftest import DOCS, ROOT

_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def named_tests(page: str) -> list[tuple[str, str]]:
    """Return path and name, or an empty name, of every test that a page of ``docs`` names."""
    return sorted(set(_NAMED.findall((DOCS / page).read_text())))


def is_there(path: str, name: str) -> bool:
    """Return whether the file is there, with a test of that name if one is given."""
    if not (ROOT / path).is_file():
        return False
    nodes = ast.walk(ast.parse((ROOT / path).read_text()))
    return not name or name in {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
