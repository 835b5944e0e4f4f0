from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from click.testing import CliRunner, Result

from helperhub import Every, Helper, Hub, RetryPolicy, helper
from helperhub.cli.main import command
from helperhub.model.helper import HelperSpec
from helperhub.model.schedule import Daily
from helperhub.settings import load_settings
from helperhub.testing.running import KNOWN_KEYS

Call = Callable[..., Result]
Answer = Callable[..., Any]


@helper(payload={"room": "attic"})
def tidy(ctx: Any) -> dict[str, Any]:
    """Tidies up a room."""
    ctx.progress(1, 2, "half of it")
    return {"tidied": ctx.payload}


@helper(retry=RetryPolicy(max_attempts=1))
def broken(ctx: Any) -> None:
    """Fails whenever it is run."""
    message = f"no such room: {ctx.payload}"
    raise LookupError(message)


SPECS = (
    HelperSpec("tidy", schedules={"": Every(timedelta(minutes=10))}, payload={"room": "attic"}, plugin="house"),
    HelperSpec("tidy", instance="cellar", payload={"room": "cellar"}),
    HelperSpec("report", queue="low", schedules={"morning": Daily("07:30")}, enabled=False),
    HelperSpec("broken", retry=RetryPolicy(max_attempts=1)),
)


@pytest.fixture
def environ(redis_url: str, hub_name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """This process's environment, with the test's hub and nobody else's settings."""
    for name in [*os.environ]:
        if name.startswith("HELPERHUB_") or name in ("REDIS_URL", "DATABASE_URL", "SENTRY_DSN", "WORKER_COUNT"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HELPERHUB_REDIS_URL", redis_url)
    monkeypatch.setenv("HELPERHUB_HUB", hub_name)
    monkeypatch.setenv("HELPERHUB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HELPERHUB_SIGNING__KEYS", KNOWN_KEYS)
    monkeypatch.setenv("HELPERHUB_PLUGINS__BLOCKED", "weather,checkin,crontab,housekeeping")
    monkeypatch.chdir(tmp_path)
    return dict(os.environ)


@pytest.fixture
def hub(environ: dict[str, str]) -> Iterator[Hub]:
    """A hub with helpers, without plugins, schedulers or worker processes."""
    hub = Hub(load_settings([], environ), environ["HELPERHUB_REDIS_URL"])
    hub.helpers.register(SPECS, exclusive=False)
    yield hub
    hub.close()


@pytest.fixture
def call(hub: Hub) -> Call:
    """Run the command line in this process."""
    del hub  # it is there first

    def run(*words: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(command, words, prog_name="helperhub", input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def answer(call: Call) -> Answer:
    """Run a command with ``--json``, which must succeed, and return its document."""

    def run(*words: str) -> Any:
        result = call(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def worker(hub: Hub) -> Iterator[dramatiq.Worker]:
    """A worker in this process that runs ``tidy`` and ``broken``."""
    for found in (tidy, broken):
        assert isinstance(found, Helper)
        hub._declare_helper(found, None)
    worker = dramatiq.Worker(hub.broker, worker_timeout=50, worker_threads=2)
    hub.broker.emit_after("process_boot")
    worker.start()
    yield worker
    worker.stop(timeout=5_000)
