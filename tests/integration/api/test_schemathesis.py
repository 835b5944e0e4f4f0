"""schemathesis over the whole API: what the OpenAPI document says, and what the server does, agree.

All checks, positive and negative requests, and sequences of requests that follow each other's ids (the stateful
phase). `tox -e api` runs them: they take minutes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.api.conftest import Serve

from helperhub.model.access import Scope

CONFIG = Path(__file__).with_name("schemathesis.toml")
#: Requests as fast as they go, with and without keys: neither limit is what is tested here.
SETTINGS = {"HELPERHUB_WEB__RATE": "10000000", "HELPERHUB_WEB__FAILURES": "10000000"}


@pytest.mark.fuzz
@pytest.mark.timeout(90)
def test_few_examples_of_every_operation_find_nothing(serve: Serve, tmp_path: Path) -> None:
    ask(serve, tmp_path, examples=5, seed=1, within_s=80)


@pytest.mark.fuzz
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3])
def test_hundred_examples_of_every_operation_find_nothing(serve: Serve, tmp_path: Path, seed: int) -> None:
    ask(serve, tmp_path, examples=100, seed=seed, within_s=1700)


def ask(serve: Serve, folder: Path, *, examples: int, seed: int, within_s: float) -> None:
    api = serve(settings=SETTINGS, worker=True, scheduler=True)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
        *("run", f"{api.url}/openapi.json", "-H", f"Authorization: Bearer {api.key(Scope.ADMIN)}"),
        *("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"),
        *("--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--no-color"),
    ]

    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=within_s, check=False)

    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
    assert "No issues found" in found.stdout or "passed" in found.stdout, found.stdout[-2_000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in found.stdout, found.stdout[-2_000:]
