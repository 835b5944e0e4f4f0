"""Every command and every Python block of the pages is run, unless a comment says why it can't be."""

from __future__ import annotations

import contextlib
import inspect
import re
import shutil
from pathlib import Path

import pytest
from tests.docs.conftest import PAGES, ROOT, Block, Sandbox, read_blocks

from helperhub.settings import load_settings

BLOCKS = [block for page in PAGES for block in read_blocks(page)]
LANGUAGES = {"console", "python", "toml", "ini", "text", "sh"}
#: The set-up commands of the README: the packaging tests run them.
SET_UP = {"run command", "test command"}

_HEADING = re.compile(r"^(?:[A-Z/]+ {2,})+[A-Z/]+$", re.MULTILINE)


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS if block.language in ("console", "python")}))
def test_commands_and_python_of_a_page_run(page: str, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.ids.clear()

    for block in (block for block in BLOCKS if block.page == page and block.runs and not block.title):
        if block.language == "console":
            run_console(block, sandbox)
        elif block.language == "python":
            run_python(block, sandbox, tmp_path)


def run_console(block: Block, sandbox: Sandbox) -> None:
    for command, shown in block.commands():
        if "| jq" in command and shutil.which("jq") is None:
            continue
        output = sandbox.run(command, shown=shown, exit_code=block.exit_code)
        # Where both list something, it has the same columns.
        columns, here = _HEADING.search(shown), _HEADING.search(output)
        if columns and here:
            assert columns[0].split() == here[0].split(), f"{block.page}: {command}"


def run_python(block: Block, sandbox: Sandbox, tmp_path: Path) -> None:
    with contextlib.chdir(sandbox.directory):
        code = compile("\n" * block.line + block.text, block.page, "exec")
        names: dict[str, object] = {"__name__": "page"}
        exec(code, names)  # noqa: S102 - the pages are ours
        for name, function in names.items():
            if name.startswith("test_") and inspect.isfunction(function):
                with pytest.MonkeyPatch.context() as monkeypatch:
                    fixtures = {"tmp_path": tmp_path, "monkeypatch": monkeypatch}
                    function(**{wanted: fixtures[wanted] for wanted in inspect.signature(function).parameters})


def test_what_is_not_run_says_why() -> None:
    silent = [
        f"{block.page}:{block.line}"
        for block in BLOCKS
        if block.language not in LANGUAGES or (block.language == "sh" and block.remark not in SET_UP)
    ]

    assert silent == [], "console and python run; whatever else can't needs '<!-- not run: why -->' before it"


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.title == "settings.env"],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_settings_that_a_page_shows_can_be_used(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text(block.text)

    loaded = load_settings([file], {}, plugin_sections={"crontab"})

    assert loaded.env_files == (file,)


def test_pages_name_no_machine_of_ours() -> None:
    local = re.compile(r"/(?:root|work|Users)/|/home/\w|/tmp/\w|\bvm:\d")

    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
        for path in [*PAGES, *(ROOT / "docs").rglob("*.svg"), *(ROOT / "docs").rglob("*.py")]
        for line in path.read_text().splitlines()
        if local.search(line)
    ]

    assert found == []


def test_pictures_ask_nobody_for_anything() -> None:
    for picture in (ROOT / "docs").rglob("*.svg"):
        drawn = picture.read_text()

        assert not re.search(r"@import|@font-face|<image|<script|href\s*=|url\((?!#)", drawn), picture.name
