"""What starts with a key and what doesn't: real processes, and the file in the data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helperhub.errors import ConfigurationError
from helperhub.supervise.data_dir import DataDirectory
from helperhub.supervise.key_file import KEY_FILE, make_key_file, read_key_file
from helperhub.testing.running import KNOWN_KEYS

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program to its end, with these settings and a data directory of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELPERHUB_", "REDIS_"))}
    kept |= {
        "HELPERHUB_DATA_DIR": str(tmp_path / "data"),
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
    }

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words],
            env={**kept, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    "words",
    [
        ("helperhub", "worker"),
        ("helperhub", "worker-process"),
        ("helperhub", "scheduler"),
        ("helperhub", "up"),
        ("dramatiq", "helperhub.actors", "-p", "1", "-t", "1"),
    ],
    ids=" ".join,
)
def test_shared_redis_without_a_key_is_refused_with_what_to_do(
    words: tuple[str, ...], run: Run, redis_url: str, hub_name: str
) -> None:
    done = run(*words, HELPERHUB_REDIS_URL=redis_url, HELPERHUB_HUB=hub_name)

    assert done.returncode == 78, done.stderr
    assert "No signing key is set" in done.stderr
    assert "trust new-key" in done.stderr
    assert "HELPERHUB_SIGNING__ENABLED=false" in done.stderr


def test_shared_redis_without_a_key_can_be_looked_at(run: Run, redis_url: str, hub_name: str) -> None:
    done = run("helperhub", "executions", "list", HELPERHUB_REDIS_URL=redis_url, HELPERHUB_HUB=hub_name)

    assert (done.returncode, done.stderr) == (0, "No execution fits.\n")


@pytest.mark.parametrize(
    "variables",
    [{"HELPERHUB_SIGNING__KEYS": KNOWN_KEYS}, {"HELPERHUB_SIGNING__ENABLED": "false"}],
    ids=["with a key", "switched off by name"],
)
def test_shared_redis_is_served(variables: dict[str, str], run: Run, redis_url: str, hub_name: str) -> None:
    shared = {"HELPERHUB_REDIS_URL": redis_url, "HELPERHUB_HUB": hub_name}

    done = run("helperhub", "worker", "--processes", "1", "--burst", **shared, **variables)

    assert done.returncode == 0, done.stderr


def test_up_makes_a_key_for_this_user_alone_and_keeps_it(run: Run, tmp_path: Path) -> None:
    variables = {"HELPERHUB_WORKER__PROCESSES": "1"}
    assert run("helperhub", "up", "--for", "1s", **variables).returncode == 0
    path = tmp_path / "data" / KEY_FILE
    made = path.read_text()

    again = run("helperhub", "up", "--for", "1s", **variables)

    assert again.returncode == 0, again.stderr
    assert path.read_text() == made
    assert path.stat().st_mode & 0o777 == 0o600


def test_rotating_puts_a_new_key_before_the_old_one(run: Run, tmp_path: Path) -> None:
    make_key_file(_data_dir(tmp_path), "old")

    done = run("helperhub", "trust", "rotate", "--id", "new")

    assert done.returncode == 0, done.stderr
    assert "still believed: old" in done.stdout
    ring = read_key_file(tmp_path / "data")
    assert ring is not None
    assert [key.id for key in ring.keys] == ["new", "old"]
    assert run("helperhub", "trust", "rotate", "--id", "new").returncode == 2


def test_rotating_is_refused_while_a_hub_runs_with_the_old_key(run: Run, tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.lock()
    make_key_file(tmp_path / "data", "old")

    done = run("helperhub", "trust", "rotate")
    directory.unlock()

    assert (done.returncode, "Stop it" in done.stderr) == (1, True)


def test_rotating_keys_of_a_setting_is_refused_with_where_they_are(run: Run) -> None:
    done = run("helperhub", "trust", "rotate", HELPERHUB_SIGNING__KEYS=KNOWN_KEYS)

    assert (done.returncode, "HELPERHUB_SIGNING__KEYS" in done.stderr) == (2, True)


def test_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_key_file(tmp_path, "old")
    (tmp_path / KEY_FILE).chmod(0o640)

    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_key_file(tmp_path)


@pytest.mark.parametrize("text", ["", "secret", "a:c2hvcnQ=\n"])
def test_key_file_that_holds_something_else_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    path.touch(mode=0o600)
    path.write_text(text)

    with pytest.raises(ConfigurationError, match="can't be used") as caught:
        read_key_file(tmp_path)

    assert text == "" or text.strip() not in str(caught.value)


def _data_dir(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"
