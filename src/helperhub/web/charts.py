"""What the charts of a span are drawn from."""

from __future__ import annotations

from typing import Any


def chart_times(series: dict[str, Any]) -> dict[str, Any]:
    """Return how long executions of a series ran and waited, as the page's script draws it, in seconds.

    Args:
        series: What `Statistics.series` returned with ``times``.
    """
    times = (("run p95, s", "--info", series["run_p95_ms"]), ("wait p95, s", "--warn", series["wait_p95_ms"]))
    lines = [[label, color, [None if ms is None else ms / 1000 for ms in found]] for label, color, found in times]
    return {"start": series["start"], "lines": lines}


__all__ = ["chart_times"]
