"""Every test that the page of security names is there, and what it calls met has one or says why not."""

from __future__ import annotations

import re

import pytest
from tests.docs.conftest import DOCS
from tests.docs.named_tests import is_there, named_tests

PAGE = (DOCS / "security.md").read_text()
NAMED = named_tests("security.md")
#: Rows of the chapters' tables: item, what it asks for, state and place, test.
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+\.\d+\.\d+", line)
]
CHAPTERS = (1, 2, 3, 4, 7, 8, 11, 12, 13, 16)


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_test_behind_an_item_is_there(path: str, name: str) -> None:
    assert is_there(path, name)


def test_every_chapter_has_its_table() -> None:
    assert {int(row[0].partition(".")[0]) for row in ROWS} == set(CHAPTERS)
    assert [row for row in ROWS if len(row) != 4] == []


def test_every_item_says_whether_it_is_met() -> None:
    states = ("met", "partly", "not met", "no", "yours")

    assert [row[0] for row in ROWS if not row[2].startswith(states)] == []
