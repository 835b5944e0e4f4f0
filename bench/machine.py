"""What is recorded with every result: the machine, its load, the versions."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.world import ROOT
from helperhub.supervise.embedded import find_binary, read_engine

_LOOK_S = 0.5


def describe() -> dict[str, Any]:
    """Return the machine, the server and the checkout."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "server": str(read_engine(find_binary())),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--", "src")),
    }


def state() -> dict[str, Any]:
    """Return the time, the load (runnable processes of the last 1, 5 and 15 minutes), and what others use just now.

    The load remembers the round before; ``busy`` is the share of all cores that is in use while nothing of ours runs.
    """
    before = _cpu_times()
    time.sleep(_LOOK_S)
    idle, total = (now - then for now, then in zip(_cpu_times(), before, strict=True))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": [round(value, 2) for value in os.getloadavg()],
        "busy": round(1 - idle / max(1, total), 2),
    }


def _cpu_times() -> tuple[int, int]:
    """Return the ticks that all cores were idle, and all ticks (proc(5), stat)."""
    ticks = [int(text) for text in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
