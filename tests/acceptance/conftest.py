"""The built wheels in a clean environment, driven as a stranger would: no home, no Redis, nothing on PATH but it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_PLUGINS = ("helperhub-checkin", "helperhub-crontab")
_START_S = 30
_STOP_S = 15

Install = Callable[..., None]
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class Up:
    """A ``helperhub up`` in the background.

    Args:
        process: It, the first of a process group as in a terminal.
        log: Its standard output and error.
    """

    process: subprocess.Popen[bytes]
    log: Path

    def interrupt(self) -> int:
        """Press Ctrl-C, which reaches the whole group; return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=_STOP_S)


StartUp = Callable[..., AbstractContextManager[Up]]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of helperhub and of all plugins by name, each built from its source distribution."""
    folder = _shared(tmp_path_factory) / "wheels"
    with _once(folder) as is_first:
        if is_first:
            for source in (ROOT, *sorted(ROOT.glob("plugins/*/"))):
                _check_call([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)])
    return {path.name.split("-")[0].replace("_", "-"): path for path in sorted(folder.glob("*.whl"))}


@pytest.fixture(scope="session")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with helperhub and the plugins that need no settings, and nothing else."""
    folder = _shared(tmp_path_factory) / "environment"
    with _once(folder) as is_first:
        if is_first:
            venv.create(folder, symlinks=True, with_pip=True)
            _pip_install(folder, *(wheels[name] for name in ("helperhub", *FIRST_PLUGINS)))
    return folder


@pytest.fixture
def install(environment: Path) -> Install:
    """Return a function that installs one more wheel there."""

    def install(wheel: Path) -> None:
        _pip_install(environment, wheel)

    return install


@pytest.fixture
def variables(environment: Path) -> Iterator[dict[str, str]]:
    """The whole environment of the commands: an empty home, and a PATH without any Redis."""
    with tempfile.TemporaryDirectory(prefix="hh-") as name:
        home = Path(name) / "home"
        home.mkdir()
        yield {"HOME": str(home), "PATH": str(environment / "bin"), "HELPERHUB_DATA_DIR": str(home / "data")}


@pytest.fixture
def run(variables: dict[str, str]) -> Run:
    """Return a function that runs ``helperhub`` with these words to its end."""

    def run(*words: str, timeout: float = 60, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_command(variables), *words],
            env={**variables, **more},
            cwd=variables["HOME"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def start_up(variables: dict[str, str]) -> StartUp:
    """Return a function that keeps ``helperhub up`` running for a ``with`` block, from when it is ready."""

    @contextmanager
    def start_up(**more: str) -> Iterator[Up]:
        log = Path(variables["HOME"]) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [_command(variables), "up"],
                env={**variables, **more},
                cwd=variables["HOME"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_ready(process, log)
            yield Up(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=_STOP_S)

    return start_up


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while "Ctrl-C stops everything" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _command(variables: dict[str, str]) -> str:
    return f"{variables['PATH']}/helperhub"


def _pip_install(environment: Path, *wheels: Path) -> None:
    # With this run's own variables, not the commands': the package index is reached as it was for this run.
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _check_call([*pip, "--constraint", str(ROOT / "constraints.txt"), *map(str, wheels)])


def _check_call(argv: list[str]) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}"


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the workers of pytest-xdist share; without them it is this run's own."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "acceptance"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _once(folder: Path) -> Iterator[bool]:
    """Yield whether this is the first who comes; others wait until the first is through."""
    finished = folder.with_suffix(".finished")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not finished.exists()
        finished.touch()
