"""Scripts say what they take and answer, run when they must, and spell only the keys of the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helperhub.store.scripts import PARTS

PACKAGE = Path(__file__).parents[2] / "src" / "helperhub"
LUA = sorted((PACKAGE / "store" / "lua").rglob("*.lua"))
SCRIPTS = [path for path in LUA if path.parent.name != "parts"]
#: What adds is refused when Redis is full; all else frees, finishes or only reads, and goes on.
REFUSED_WHEN_FULL = {
    *("publish", "plan", "enqueue_due", "mark_plan", "open_group", "register", "replay", "rewrite", "restore"),
    "unpurge",
    "save_view",
}

by_name = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)


def head_and_body(path: Path) -> tuple[str, str]:
    _, *lines = path.read_text().splitlines()
    length = next(index for index, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:length]), "\n".join(lines[length:])


def table_of_keys() -> set[str]:
    return set(re.findall(r"^\| P:([a-z]+)", (PACKAGE / "store" / "keys.py").read_text(), re.MULTILINE))


def spelled_by_scripts() -> set[str]:
    text = "\n".join(path.read_text() for path in LUA)
    return set(re.findall(r"P \.\. ':([a-z]+)", text)) | set(re.findall(r"write\(':([a-z]+)'", text))


def spelled_by_modules() -> set[str]:
    text = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    return set(re.findall(r'(?:keys|self)\.at\(\s*"([a-z]+)"', text))


@by_name
def test_script_begins_with_flags_that_say_whether_it_runs_when_redis_is_full(path: Path) -> None:
    first = path.read_text().partition("\n")[0]

    assert first == ("#!lua" if path.stem in REFUSED_WHEN_FULL else "#!lua flags=allow-oom")


@by_name
def test_head_of_a_script_names_keys_arguments_and_answer(path: Path) -> None:
    head, body = head_and_body(path)

    for word in ("KEYS[1]", "ARGV[1", "Answer"):
        assert re.search(rf"^-- {re.escape(word)}\S* ", head, re.MULTILINE), word
    named = set(re.findall(r"ARGV\[(\d+)\]", head))
    rest = [int(number) for number in re.findall(r"ARGV\[(\d+)\.\.\]", head)]
    for number in set(re.findall(r"ARGV\[(\d+)\]", body)):
        assert number in named or any(int(number) >= first for first in rest), f"ARGV[{number}]"


def test_base_says_what_the_one_key_is() -> None:
    assert "-- KEYS[1] is" in (PACKAGE / "store/lua/parts/base.lua").read_text()


@by_name
def test_script_uses_the_parts_that_define_what_it_calls_and_no_others(path: Path) -> None:
    defined = {
        part.stem: set(re.findall(r"^local function (\w+)", part.read_text(), re.MULTILINE))
        for part in LUA
        if part.parent.name == "parts"
    }
    assert set(defined) == set(PARTS)
    # What it gives is a table, nil where the hub has no rules.
    defined["limits"] = {"limits", "open_limits"}
    head, body = head_and_body(path)
    found = re.search(r"^-- Uses: (.*)$", head, re.MULTILINE)
    used = {"base", *(found[1].split() if found else ())}

    needed, text = {"base"}, body
    while more := {name for name, functions in defined.items() if name not in needed and calls(text, functions)}:
        needed |= more
        text += "".join((PACKAGE / f"store/lua/parts/{name}.lua").read_text() for name in more)

    assert used == needed


def calls(text: str, functions: set[str]) -> bool:
    return bool(functions & set(re.findall(r"\b(\w+)(?=[(.])", text)))


def test_every_key_that_a_script_spells_is_in_the_table() -> None:
    assert len(spelled_by_scripts()) > 15
    assert spelled_by_scripts() - table_of_keys() == set()


def test_every_key_that_a_module_spells_is_in_the_table() -> None:
    assert len(spelled_by_modules()) > 10
    assert spelled_by_modules() - table_of_keys() == set()


def test_every_key_of_the_table_is_spelled_somewhere() -> None:
    assert table_of_keys() - spelled_by_scripts() - spelled_by_modules() == set()


def test_only_keys_spells_the_hash_tag() -> None:
    files = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".lua"}]

    assert [path.name for path in files if "{helperhub:" in path.read_text()] == ["keys.py"]
