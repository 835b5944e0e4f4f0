from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def crontab(tmp_path: Path) -> Callable[..., Path]:
    """Write a crontab file as cron would accept it."""

    def write(content: str | bytes, name: str = "my.crontab") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o644)
        return path

    return write
