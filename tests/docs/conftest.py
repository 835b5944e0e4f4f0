"""The documentation as tests see it: pages with their blocks, and a hub that runs beside them."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helperhub.cli.main import command as cli
from helperhub.testing.node import free_port

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
_FENCE = re.compile(
    r"(?:^<!-- (?P<remark>.+?) -->\n)?^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: Where pages say that the hub is served.
_ON_PAGES = "http://127.0.0.1:8420"
_ID = re.compile(r"\b[0-9a-hjkmnp-tv-z]{22}\b")
_PLANNED = re.compile(r"([a-z][\w./-]*)@\d{8}T\d{6}Z")
#: What bash has to see; all other commands run in this process, which is twenty times as fast.
_SHELL = re.compile(r"[|<>&;$`]|^\s*(?!helperhub )|^helperhub (up|worker|scheduler)\b")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Args:
        page: The page, as people name it.
        line: Where it begins.
        language: The fence's first word.
        title: The file it stands for, or empty.
        text: What is in it.
        remark: The HTML comment on the line before, or empty.
    """

    page: str
    line: int
    language: str
    title: str
    text: str
    remark: str

    @property
    def exit_code(self) -> int:
        return int(self.remark.removeprefix("exits with ")) if self.remark.startswith("exits with ") else 0

    @property
    def runs(self) -> bool:
        return not self.remark.startswith("not run: ")

    def commands(self) -> list[tuple[str, str]]:
        """Return each command of a console block with the output that is shown for it."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def read_blocks(page: Path) -> list[Block]:
    text = page.read_text()
    name = str(page.relative_to(ROOT))
    return [
        Block(
            name,
            text.count("\n", 0, match.start("language")) + 1,
            match["language"],
            match["title"] or "",
            match["text"],
            match["remark"] or "",
        )
        for match in _FENCE.finditer(text)
    ]


@dataclass
class Sandbox:
    """A directory and an environment in which pages run, with ``helperhub up`` at work in it."""

    directory: Path
    environ: dict[str, str]
    #: Ids as the page shows them, and as they came out here.
    ids: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, *, shown: str = "", exit_code: int = 0) -> str:
        """Run one command of a page; its ids stand for those that there are here."""
        command = command.replace(_ON_PAGES, self.environ["HUB_ADDRESS"])
        name = _PLANNED.sub(lambda match: self._real(match[0], match[1], command), command)
        real = _ID.sub(lambda match: self.ids.get(match[0], match[0]), name)
        if real.startswith("export "):
            return self._export(real)
        if real.startswith("curl "):
            return self._ask_over_http(real, shown)
        code, output = self._bash(real) if _SHELL.search(real) else self._here(real)
        assert code == exit_code, f"$ {real}\n{output}"
        # From the end: a list may show more here than on the page.
        for on_page, here in zip(reversed(_ID.findall(shown)), reversed(_ID.findall(output)), strict=False):
            self.ids.setdefault(on_page, here)
        return output

    def ask(self, command: str) -> Any:
        return json.loads(self.run(f"helperhub {command} --json"))

    def _export(self, command: str) -> str:
        """Set a variable for the commands that follow; each runs in a shell of its own."""
        name = command.removeprefix("export ").partition("=")[0]
        code, output = self._bash(f'exec 3>&1 >/dev/null 2>&1; {command}; printf %s "${name}" >&3')
        assert code == 0, f"$ {command}\n{output}"
        self.environ[name] = output
        return ""

    def _ask_over_http(self, command: str, shown: str) -> str:
        """Run curl; the answer is a success, or has the status that the page shows."""
        _, answer = self._bash(command + r" -w '\n%{http_code}'")
        output, _, status = answer.rpartition("\n")
        wanted = re.search(r'"status":(\d+)', shown)
        assert status == wanted[1] if wanted else status.startswith("2"), f"$ {command}\n{answer}"
        return output

    def _here(self, command: str) -> tuple[int, str]:
        with contextlib.chdir(self.directory):
            result = CliRunner().invoke(cli, shlex.split(command)[1:], env={"COLUMNS": "100"}, prog_name="helperhub")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def _bash(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=25,
            check=False,
        )
        return done.returncode, done.stdout

    def _real(self, on_page: str, helper: str, command: str) -> str:
        """Return the id of an execution of ``helper`` that the command can be about."""
        if on_page not in self.ids:
            if command.startswith("helperhub plan "):
                planned = [found["id"] for found in self.ask(f"plan list --helper {helper}")["planned"]]
                # The first ones may be due before the command has run.
                candidates = planned[2:]
            else:
                candidates = [found["id"] for found in self.ask(f"dead list --helper {helper}")["dead"]]
            unused = (found for found in candidates if found not in self.ids.values())
            self.ids[on_page] = next(unused, candidates[0])
        return self.ids[on_page]


def install(project: Path, site: Path) -> None:
    """Put a plugin where Python finds it, as pip would, without building it."""
    told = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    for source in (project / "src" if (project / "src").is_dir() else project).iterdir():
        if source.is_dir():
            shutil.copytree(source, site / source.name)
        elif source.suffix == ".py":
            shutil.copy(source, site)
    info = site / f"{told['name'].replace('-', '_')}-{told['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n")
    points = told["entry-points"]["helperhub"]
    lines = "\n".join(f"{name} = {module}" for name, module in points.items())
    (info / "entry_points.txt").write_text(f"[helperhub]\n{lines}\n")


def write_files(directory: Path) -> None:
    """Write the files that pages show: plugins and a crontab."""
    for page in PAGES:
        for block in read_blocks(page):
            if block.title and not block.title.startswith("/") and block.title != "settings.env":
                path = directory / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)


@pytest.fixture
def sandbox(started_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The hub of all pages, with this process in its environment for one test: tests of other folders come between."""
    with _inside(started_sandbox):
        yield started_sandbox


@pytest.fixture(scope="session")
def started_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A hub with the plugins that the pages write, and a few dead letters."""
    directory = tmp_path_factory.mktemp("docs")
    write_files(directory)
    site = directory / "site"
    site.mkdir()
    for project in directory.glob("helperhub-*"):
        install(project, site)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELPERHUB_", "REDIS_"))}
    environ = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": str(site),
        "HOME": str(directory),
        "HELPERHUB_DATA_DIR": str(directory / "data"),
        "HELPERHUB_CRONTAB__FILES": str(directory / "helperhub.crontab"),
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin",
        "HELPERHUB_WORKER__PROCESSES": "1",
        "HELPERHUB_WEB__PORT": str(free_port()),
    }
    if shutil.which("curl") is None:
        shim = directory / "bin" / "curl"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("curl.py")} "$@"\n')
        shim.chmod(0o755)
        environ["PATH"] += f"{os.pathsep}{shim.parent}"
    environ["HUB_ADDRESS"] = f"http://127.0.0.1:{environ['HELPERHUB_WEB__PORT']}"
    box = Sandbox(directory, environ)
    with _up(box):
        with _inside(box):
            for _ in range(3):
                box.run("helperhub helpers run crontab/report-py")
            _wait_until_dead(box, 3)
        yield box


@contextlib.contextmanager
def _inside(box: Sandbox) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(box.environ):
            patch.delenv(name)
        for name, value in box.environ.items():
            patch.setenv(name, value)
        patch.syspath_prepend(box.environ["PYTHONPATH"])
        importlib.invalidate_caches()
        yield


@contextlib.contextmanager
def _up(box: Sandbox) -> Iterator[None]:
    argv = [sys.executable, "-m", "helperhub", "up"]
    log = box.directory / "up.log"
    with log.open("w") as out:
        process = subprocess.Popen(argv, cwd=box.directory, env=box.environ, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 25
        while "Ctrl-C stops" not in log.read_text() or "HTTP at" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def _wait_until_dead(box: Sandbox, number: int) -> None:
    deadline = time.monotonic() + 20
    while box.ask("dead list --helper crontab/report-py")["total"] < number:
        assert time.monotonic() < deadline
        time.sleep(0.1)
