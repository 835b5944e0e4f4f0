"""Executions as the rows of lists: how long each took, and why it ended so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from helperhub.model.execution import Execution, Status

_SHORT = 16


def row_of(one: Execution) -> dict[str, Any]:
    """Return an execution as a row of a list shows it: with what it took, and why it ended so."""
    took = None
    if one.started_at is not None and one.finished_at is not None:
        took = (one.finished_at - one.started_at) / timedelta(milliseconds=1)
    return {
        **one.to_document(),
        "final": one.status.final,
        "took_ms": took,
        "short": _short(one.id),
        "cause": _cause_of(one),
    }


def _cause_of(one: Execution) -> str:
    """Return why it stands where it does: the last error of one that failed or tries again, or the reason."""
    if not one.errors or (one.status.final and one.status is not Status.ERROR):
        return one.reason
    kind, message = one.errors[-1].type.rpartition(".")[2], one.errors[-1].message
    return f"{kind}: {message}" if message else kind


def _short(id_: str) -> str:
    """Return what tells an execution from its neighbours in a list: of a schedule's, the time it is of."""
    end = id_.rpartition("@")[2]
    return end if len(end) <= _SHORT else f"\u2026{end[-_SHORT + 4 :]}"


__all__ = ["row_of"]
