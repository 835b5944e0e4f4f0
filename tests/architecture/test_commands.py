"""The two commands of the README, CI's use of one, and what no committed file may name."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
#: Whose names would tie a checkout to one package index. Parted, so that this file names none.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"]
_LEFT_OUT = {".git", ".venv", ".tox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache"}


def command_of(comment: str) -> str:
    found = re.findall(rf"<!-- {comment} -->\n```sh\n(.+)\n```\n", README)
    assert len(found) == 1, f"README.md has {len(found)} blocks after '{comment}', each of one line"
    return str(found[0])


def test_each_of_the_two_commands_is_one_line_and_pins_what_it_installs() -> None:
    for comment in ("run command", "test command"):
        command = command_of(comment)

        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert " constraints.txt " in command


def test_test_command_installs_every_plugin_and_ends_with_pytest() -> None:
    command = command_of("test command")

    assert {f"plugins/{path.name}" for path in ROOT.glob("plugins/*/")} <= set(command.split())
    assert command.split(" && ")[-1].startswith(".venv/bin/pytest")


def test_ci_runs_the_test_command_of_the_readme(tmp_path: Path) -> None:
    bash = tmp_path / "bash"
    bash.write_text('#!/bin/sh\nfor word in "$@"; do last=$word; done\nprintf "would run: %s\\n" "$last"\n')
    bash.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["/bin/bash", str(ROOT / ".ci/run")],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"would run: {command_of('test command')}"


def test_no_file_names_a_registry() -> None:
    named = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for path in (Path(folder, name) for name in files if not name.endswith((".pyc", ".lock"))):
            text = path.read_bytes().decode(errors="replace")
            named += [f"{path}: {host}" for host in REGISTRIES if host in text]

    assert named == []
