"""Redis users by role, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.integration.trust.roles import UrlOf, refusals

from helperhub import Hub
from helperhub.model.execution import Status
from helperhub.services.acl import Role
from helperhub.testing import find_strays
from helperhub.testing.running import KNOWN_KEYS

PLUGIN = """
from helperhub import helper, hookimpl

@helper(queue="reports")
def report(ctx):
    ctx.progress(1, 2, "half of it")
    return ctx.payload

@helper
def pay(ctx):
    return ctx.payload

@hookimpl
def helperhub_register(hub):
    hub.add(report)
    hub.add(pay)
"""


@pytest.fixture
def environ(tmp_path: Path, hub_name: str) -> Mapping[str, str]:
    """The environment of real processes that have a plugin."""
    (tmp_path / "reporting.py").write_text(PLUGIN)
    metadata = tmp_path / "helperhub_reporting-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-reporting\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[helperhub]\nreporting = reporting\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELPERHUB_", "REDIS_"))}
    return {
        **kept,
        "PYTHONPATH": str(tmp_path),
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
    }


def test_real_worker_process_with_the_user_of_one_queue_runs_that_queue(
    url_of: UrlOf, environ: Mapping[str, str], admin: Any, hub_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(environ["PYTHONPATH"])
    monkeypatch.setenv("HELPERHUB_REDIS_URL", url_of(Role.SCHEDULER))
    planner = Hub.from_env([])
    planner.register()
    done, left = planner.enqueue("report", {"n": 1}), planner.enqueue("pay", 5)
    argv = [sys.executable, "-m", "helperhub", "worker", "--processes", "1", "--queues", "reports", "--burst"]

    ended = subprocess.run(
        argv,
        env={**environ, "HELPERHUB_REDIS_URL": url_of(Role.WORKER, "reports")},
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert planner.executions.get(done).status is Status.SUCCESS, ended.stderr
    assert planner.executions.get(left).status is Status.QUEUED
    assert refusals(admin) == []
    planner.executions.cancel(left, reason="")
    assert find_strays(admin, planner.scripts.keys) == []
    planner.close()
