"""An environment for each rival, made when it is first needed, outside the checkout."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

PINS = Path(__file__).parent / "rivals"


def cache_directory() -> Path:
    """Return where the environments are: ``$XDG_CACHE_HOME/helperhub-bench``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "helperhub-bench"


def python_of(name: str, pins: Path | None = None) -> str:
    """Return the Python of an environment with what ``bench/rivals/<name>.txt`` pins; "" is this process's own.

    It is made anew when the pins or the version of Python have changed.
    """
    if not name:
        return sys.executable
    file = pins or PINS / f"{name}.txt"
    mark = hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = cache_directory() / f"{name}-{mark}"
    python = place / "bin" / "python"
    done = place / "complete"
    if not done.exists():
        print(f"making the environment of {name} in {place}", file=sys.stderr)
        venv.create(place, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(file)]
        subprocess.run(install, check=True, stdout=sys.stderr)
        done.touch()
    return str(python)
