"""HTTP from the wheels: what ``helperhub up`` serves, asked as a stranger would."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

Run = Callable[..., subprocess.CompletedProcess[str]]
StartUp = Callable[..., AbstractContextManager[Any]]


def ask(url: str, key: str = "", body: Any = None) -> tuple[int, bytes]:
    """Return status and body of an answer; with ``body`` it is a POST."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - http, on loopback
        url, data=data, headers={**headers, "Content-Type": "application/json"}
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_up_serves_the_api_its_description_and_metrics(run: Run, start_up: StartUp, tmp_path: Path) -> None:
    crontab = tmp_path / "crontab"
    crontab.write_text("0 0 1 1 * echo hello\n")
    port = free_port()
    hub = f"http://127.0.0.1:{port}"

    with start_up(HELPERHUB_CRONTAB__FILES=str(crontab), HELPERHUB_WEB__PORT=str(port)) as up:
        deadline = time.monotonic() + 30
        while f"HTTP at {hub}" not in up.log.read_text():
            assert time.monotonic() < deadline, up.log.read_text()
            time.sleep(0.05)
        key = run("keys", "create", "test", "--scope", "admin").stdout.strip()

        assert ask(f"{hub}/healthz")[0] == 200
        assert ask(f"{hub}/api/v1/helpers")[0] == 401
        helpers = json.loads(ask(f"{hub}/api/v1/helpers", key)[1])["helpers"]
        assert [helper["name"] for helper in helpers] == ["crontab/echo"]
        status, started = ask(f"{hub}/api/v1/helpers/crontab/echo/run", key, {})
        assert status == 202
        execution = json.loads(started)["id"]
        ended = json.loads(ask(f"{hub}/api/v1/executions/{execution}/wait?timeout=20s", key)[1])
        assert ended["status"] == "success"

        described = json.loads(ask(f"{hub}/openapi.json")[1])
        assert "/api/v1/helpers" in described["paths"]
        assert b"swagger" in ask(f"{hub}/docs")[1].lower()
        assert len(ask(f"{hub}/docs/swagger-ui-bundle.js")[1]) > 500_000
        status, metrics = ask(f"{hub}/metrics", key)
        assert status == 200
        assert b'helperhub_redis_up{shard="0"} 1.0' in metrics
