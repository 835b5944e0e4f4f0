"""What is recorded with every result: the machine, its load, the versions."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import Any

from bench.world import ROOT
from helperhub.supervise.embedded import find_binary, read_engine


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
    """Return the time, and the load of the machine: runnable processes of the last 1, 5 and 15 minutes."""
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "load": [round(x, 2) for x in os.getloadavg()]}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
