"""The two commands of the README, CI's use of one, and what no committed file may name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
#: Whose names would tie a checkout to one package index. Parted, so that this file names none.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"]
_LEFT_OUT = {
    ".git",
    ".venv",
    ".venv-browser",
    ".tox",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".import_linter_cache",
}


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


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder for PATH whose bash says what it would run."""
    folder = tmp_path / "commands"
    folder.mkdir()
    bash = folder / "bash"
    bash.write_text('#!/bin/sh\nfor word in "$@"; do last=$word; done\nprintf "would run: %s\\n" "$last"\n')
    bash.chmod(0o755)
    return folder


def run_ci(script: str, *path: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    found = os.pathsep.join([*map(str, path), os.environ["PATH"]])
    environ = {**os.environ, "PATH": found, **changes}
    return subprocess.run(
        ["/bin/bash", str(ROOT / ".ci" / script)], env=environ, capture_output=True, text=True, check=False
    )


def test_ci_runs_the_test_command_of_the_readme_last_and_the_browser_suite_before(commands: Path) -> None:
    done = run_ci("run", commands)

    assert done.returncode == 0, done.stderr
    suite, _, last = done.stdout.splitlines()
    assert suite == "would run: .ci/browser"
    assert last == f"would run: {command_of('test command')}"


def test_ci_says_that_the_browser_suite_was_not_run_and_how_to_get_a_chromium(tmp_path: Path) -> None:
    # A PATH with what the script needs, and no browser.
    for name, found in (("python3", sys.executable), ("dirname", shutil.which("dirname"))):
        (tmp_path / name).symlink_to(str(found))
    done = run_ci("browser", PATH=str(tmp_path), HOME=str(tmp_path), HELPERHUB_TEST_CHROMIUM="")

    assert done.returncode == 0, done.stderr
    assert "NOT run" in done.stdout
    assert "apt-get install chromium" in done.stdout


def run_browser_suite(tmp_path: Path, pytest_script: str) -> tuple[int, list[str]]:
    """Run .ci/browser with tools that say what they would do; return its exit code, and that."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / ".ci", checkout / ".ci")
    (checkout / "tests" / "browser").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "browser" / "chromium.py", checkout / "tests" / "browser")
    tools = checkout / ".venv-browser" / "bin"
    tools.mkdir(parents=True)
    for name, script in (("pip", ""), ("pytest", pytest_script)):
        (tools / name).write_text(f'#!/bin/sh\necho "would run: {name} $*"\n{script}\n')
        (tools / name).chmod(0o755)
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] || exec {sys.executable} "$@"\necho "would run: python3 $*"\n')
    python.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "HELPERHUB_TEST_CHROMIUM": "/bin/true",
    }
    done = subprocess.run([checkout / ".ci" / "browser"], env=environ, capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("would run")]


def test_ci_runs_the_browser_suite_with_the_chromium_that_is_there(tmp_path: Path) -> None:
    code, (made, installed, tested) = run_browser_suite(tmp_path, "")

    assert code == 0
    assert made == "would run: python3 -m venv .venv-browser"
    assert "-r tests/browser/requirements.txt" in installed
    assert tested == "would run: pytest -n 2 --dist loadfile -m browser tests/browser"


@pytest.mark.parametrize(("again", "verdict"), [("exit 0", 0), ("exit 1", 1)])
def test_ci_tries_once_more_what_failed_in_the_browser_and_believes_that(
    tmp_path: Path, again: str, verdict: int
) -> None:
    code, (*_, first, second) = run_browser_suite(tmp_path, f'case "$*" in *--last-failed*) {again};; esac\nexit 1')

    assert code == verdict
    assert "--last-failed" not in first
    assert "--last-failed-no-failures none" in second


def test_no_file_names_a_registry() -> None:
    named = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for path in (Path(folder, name) for name in files if not name.endswith((".pyc", ".lock"))):
            text = path.read_bytes().decode(errors="replace")
            named += [f"{path}: {host}" for host in REGISTRIES if host in text]

    assert named == []
