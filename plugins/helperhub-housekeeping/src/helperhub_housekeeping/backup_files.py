"""Where backups are, and which of them go."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

_STAMP = r"\d{8}T\d{6}Z"


def place_of(directory: Path, hub: str, *, now: datetime) -> Path:
    """Return where the backup of ``hub`` that is written at ``now`` goes; names sort by time."""
    return directory / f"{hub}-{now:%Y%m%dT%H%M%SZ}.backup"


def remove_oldest(directory: Path, hub: str, *, keep: int) -> list[str]:
    """Remove all but the newest ``keep`` backups of ``hub``, and return their names; other files are left alone."""
    ours = re.compile(rf"{re.escape(hub)}-{_STAMP}\.backup", re.ASCII)
    found = sorted(path for path in directory.iterdir() if ours.fullmatch(path.name))
    removed = found[: max(0, len(found) - keep)]
    for path in removed:
        # Another process may have had the same idea.
        path.unlink(missing_ok=True)
    return [path.name for path in removed]


__all__ = ["place_of", "remove_oldest"]
