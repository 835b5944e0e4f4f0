"""What a sum of executions is shown as: counts, rates, times; the same words on every face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from helperhub.model.histogram import percentile

if TYPE_CHECKING:
    from helperhub.archive.tally import Tally

_SHARES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}


def figures_of(tally: Tally) -> dict[str, Any]:
    """Return the figures of what one tally has summed; a time or rate of nothing is None."""
    return {
        "executions": tally.total,
        **tally.counts,
        "completion_rate": completion_rate(tally),
        "retries": tally.retries,
        "redeliveries": tally.redeliveries,
        "failed_attempts": flakiness(tally),
        "worker_seconds": round(tally.ran_ms / 1000, 3),
        "wait": times_of(tally.waits, tally.waited_ms),
        "run": times_of(tally.runs, tally.ran_ms),
    }


def completion_rate(tally: Tally) -> float | None:
    """Return the share of executions that succeeded, of those that neither people nor an overlap kept from it."""
    asked = tally.counts["success"] + tally.counts["error"] + tally.counts["expired"]
    return _ratio(tally.counts["success"], asked)


def flakiness(tally: Tally) -> float | None:
    """Return the share of attempts that failed: each retry follows one, and each error is one."""
    failed = tally.retries + tally.counts["error"]
    return _ratio(failed, tally.counts["success"] + failed)


def times_of(histogram: Mapping[int, int], summed_ms: int) -> dict[str, float | None]:
    """Return mean and percentiles, ms; percentiles are right to 5 %."""
    found: dict[str, float | None] = {"mean_ms": _rounded(_ratio(summed_ms, sum(histogram.values())))}
    return found | {name: _rounded(percentile(histogram, share)) for name, share in _SHARES.items()}


def change_of(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, float | None]:
    """Return how figures have changed: as a share of what they were, completion rates by their difference."""
    rates = now["completion_rate"], before["completion_rate"]
    return {
        "executions": _growth(now["executions"], before["executions"]),
        "errors": _growth(now["error"], before["error"]),
        "retries": _growth(now["retries"], before["retries"]),
        "completion_rate": None if None in rates else round(rates[0] - rates[1], 6),
        "wait_p95": _growth(now["wait"]["p95_ms"], before["wait"]["p95_ms"]),
        "run_mean": _growth(now["run"]["mean_ms"], before["run"]["mean_ms"]),
        "run_p95": _growth(now["run"]["p95_ms"], before["run"]["p95_ms"]),
        "worker_seconds": _growth(now["worker_seconds"], before["worker_seconds"]),
    }


def _growth(now: float | None, before: float | None) -> float | None:
    return round(now / before - 1, 6) if now is not None and before else None


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)


__all__ = ["change_of", "completion_rate", "figures_of", "flakiness", "times_of"]
