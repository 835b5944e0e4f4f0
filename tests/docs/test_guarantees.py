"""Every test that the page of guarantees names is there."""

from __future__ import annotations

import re

import pytest
from tests.docs.conftest import DOCS
from tests.docs.named_tests import is_there, named_tests

NAMED = named_tests("guarantees.md")


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_test_behind_a_promise_is_there(path: str, name: str) -> None:
    assert is_there(path, name)


def test_every_row_of_promises_names_a_test() -> None:
    rows = [line for line in (DOCS / "guarantees.md").read_text().splitlines() if re.match(r"\| (?!promise)[^-]", line)]

    assert [row for row in rows if "`tests/" not in row] == []
