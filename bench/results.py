"""The results: rows of rounds in one JSON file, and the medians of them."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]

FILE = "results.json"


def read(directory: Path) -> Rows:
    """Return the rows that were written, none if there is no file."""
    file = directory / FILE
    return list(json.loads(file.read_text())) if file.exists() else []


def write(directory: Path, rows: Rows, *, keep: bool) -> None:
    """Add rows to the file.

    Args:
        directory: Made if it isn't there.
        rows: What was measured now.
        keep: Also keep earlier rounds of the same experiment with the same side; else these replace them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    new = {(row["experiment"], row["side"]) for row in rows}
    old = [row for row in read(directory) if keep or (row["experiment"], row["side"]) not in new]
    lines = ",\n".join(json.dumps(row) for row in [*old, *rows])
    (directory / FILE).write_text(f"[\n{lines}\n]\n")


def medians(rows: Rows) -> dict[str, dict[str, float]]:
    """Return side, figure, median of its rounds."""
    values: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for name, value in row["figures"].items():
            values[row["side"]][name].append(value)
    return {side: {name: statistics.median(all_) for name, all_ in found.items()} for side, found in values.items()}


def spreads(rows: Rows) -> dict[tuple[str, str], tuple[float, float, int]]:
    """Return (side, figure): lowest, highest, and how many rounds."""
    values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row["figures"].items():
            values[row["side"], name].append(value)
    return {key: (min(found), max(found), len(found)) for key, found in values.items()}
