"""What the charts of a span are drawn from: starts, and lines, each of a label, a color and its values."""

from __future__ import annotations

from typing import Any


def chart_ended(series: dict[str, Any]) -> dict[str, Any]:
    """Return how many executions of a series ended how.

    Args:
        series: What `Statistics.series` returned.
    """
    colors = (("success", "--good"), ("error", "--bad"), ("expired", "--warn"))
    return {"start": series["start"], "lines": [[name, color, series[name]] for name, color in colors]}


def chart_times(series: dict[str, Any]) -> dict[str, Any]:
    """Return how long executions of a series ran and waited, in seconds.

    Args:
        series: What `Statistics.series` returned with ``times``.
    """
    times = (("run p95, s", "--info", series["run_p95_ms"]), ("wait p95, s", "--warn", series["wait_p95_ms"]))
    lines = [[label, color, [None if ms is None else ms / 1000 for ms in found]] for label, color, found in times]
    return {"start": series["start"], "lines": lines}


__all__ = ["chart_ended", "chart_times"]
