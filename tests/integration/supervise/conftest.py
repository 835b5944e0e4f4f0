"""Waiting for conditions, and short directories of one's own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    """Return a function that tells whether a process has ended; an orphan may still wait to be reaped."""

    def gone(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if sys.platform != "linux":
            return False
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    return gone


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name; ``tmp_path`` may not."""
    with tempfile.TemporaryDirectory(prefix="hh-") as name:
        yield Path(name)
