from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helperhub.cli.main import command

Call = Callable[..., Result]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Run the command line in this process, in an empty directory and without anybody's settings."""
    for name in [*os.environ]:
        if name.startswith("HELPERHUB_") or name in ("REDIS_URL", "DATABASE_URL", "SENTRY_DSN", "WORKER_COUNT"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HELPERHUB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(command, words, prog_name="helperhub", input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
