"""Two releases on one hub: the older schema is written until all are new, then the older release starts nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dramatiq
import pytest

from helperhub import Hub
from helperhub.errors import NewerSchema
from helperhub.store.schema import read_schema
from helperhub.testing.running import KNOWN_KEYS, build_hub

#: Makes every process that has it on its path the release after this one, and schedulers quick to be gone.
NEXT_RELEASE = """
from helperhub.store import schema
schema.KNOWN = schema.Schemas(newest=3, writes_from=2, reads_from=2)
schema.SILENT_MS = 1_000
"""
PLUGIN = """
from helperhub import helper, hookimpl

@helper
def echo(ctx):
    return ctx.payload

@hookimpl
def helperhub_register(hub):
    hub.add(echo)
"""
NEWER = "The hub's keys have schema 3, and this release knows 2."
REFUSED = (
    ("helperhub", "worker", "--burst"),
    ("helperhub", "scheduler"),
    ("dramatiq", "helperhub.actors", "--processes", "1", "--threads", "1"),
)

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def hub(redis_url: str, hub_name: str) -> Iterator[Hub]:
    found = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub_name})
    yield found
    found.close()


@pytest.fixture
def environ(redis_url: str, hub_name: str, tmp_path: Path) -> dict[str, str]:
    """The environment of processes that have `PLUGIN` installed."""
    (tmp_path / "echoing.py").write_text(PLUGIN)
    metadata = tmp_path / "helperhub_echoing-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-echoing\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[helperhub]\nechoing = echoing\n")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("HELPERHUB_")},
        "PYTHONPATH": str(tmp_path),
        "HELPERHUB_REDIS_URL": redis_url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
        "HELPERHUB_LOG__LEVEL": "error",
    }


@pytest.fixture
def next_release(environ: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of processes of the next release."""
    folder = tmp_path / "next"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NEXT_RELEASE)
    return {**environ, "PYTHONPATH": f"{folder}{os.pathsep}{environ['PYTHONPATH']}"}


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(environ: Mapping[str, str], *argv: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", "helperhub", *argv], env=environ)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(30)


def run(environ: Mapping[str, str], *argv: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *argv], env=environ, capture_output=True, text=True, timeout=25, check=False
    )
    return done.returncode, done.stdout + done.stderr


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)


def schema_of(hub: Hub) -> int:
    return read_schema(hub.scripts.client, hub.scripts.keys)


def known_by_workers(hub: Hub) -> list[int]:
    return sorted(worker["schema"] for worker in hub.workers.all())


def schedulers_that_know(hub: Hub, schema: int) -> int:
    told = hub.scripts.client.hgetall(hub.scripts.keys.at("meta"))
    return [known for name, known in told.items() if name != b"schema"].count(b"%d" % schema)


@pytest.mark.timeout(90)  # six processes, one after another
def test_schema_is_raised_once_all_processes_are_new(
    hub: Hub, environ: dict[str, str], next_release: dict[str, str], start: Start
) -> None:
    old = [start(environ, "scheduler"), start(environ, "worker", "--processes", "1")]
    wait_for(lambda: schedulers_that_know(hub, 2) == 1 and known_by_workers(hub) == [2])
    assert schema_of(hub) == 2

    # Both releases side by side: the older schema is written, and the work of one is run by the other.
    start(next_release, "worker", "--processes", "1")
    first = start(next_release, "scheduler")
    wait_for(lambda: schedulers_that_know(hub, 3) == 1 and known_by_workers(hub) == [2, 3])
    old[1].terminate()
    old[1].wait(20)
    wait_for(lambda: known_by_workers(hub) == [3])
    assert hub.wait(hub.enqueue("echo", "of the old")).result == "of the old"
    assert schema_of(hub) == 2

    old[0].terminate()
    old[0].wait(20)
    first.terminate()
    first.wait(20)
    time.sleep(1.1)  # the old scheduler counts as gone after that
    start(next_release, "scheduler")
    wait_for(lambda: schema_of(hub) == 3)


@pytest.mark.parametrize("argv", REFUSED, ids=" ".join)
def test_older_release_starts_nothing_once_the_schema_is_raised(
    hub: Hub, environ: dict[str, str], argv: tuple[str, ...]
) -> None:
    hub.scripts.client.hset(hub.scripts.keys.at("meta"), "schema", 3)

    code, said = run(environ, *argv)

    assert code == 78
    assert NEWER in said


def test_older_release_that_only_enqueues_is_refused_as_well(hub: Hub) -> None:
    echo = dramatiq.actor(actor_name="echo", broker=hub.broker)(lambda: None)
    echo.send()
    hub.scripts.client.hset(hub.scripts.keys.at("meta"), "schema", 3)

    with pytest.raises(NewerSchema, match="schema 3"):
        echo.send()


def test_doctor_of_the_older_release_says_which_schema_is_written(hub: Hub, environ: dict[str, str]) -> None:
    hub.scripts.client.hset(hub.scripts.keys.at("meta"), "schema", 3)

    code, said = run(environ, "helperhub", "doctor")

    assert code == 3
    assert "the hub's keys have 3, this release knows 2" in said


def test_worker_of_a_release_without_schemas_keeps_this_one_from_starting(hub: Hub, environ: dict[str, str]) -> None:
    """It would take what this release writes for damage, and set it aside."""
    hub.scripts.join("before-schemas", lease_ms=60_000, about={"version": "0.0.9"})

    code, said = run(environ, "helperhub", "worker", "--burst")

    assert code == 78
    assert "Process 'before-schemas' is at work on this hub and can't read what this release writes." in said
    assert "Stop all processes of the release before" in said
