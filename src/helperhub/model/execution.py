"""One asked-for run, from planned or queued to its final state, and its one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from helperhub.model.helper import split_key
from helperhub.model.instant import to_rfc3339


class Status(StrEnum):
    """Where an execution stands; the first four aren't final."""

    PLANNED = "planned"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCESS = "success"
    ERROR = "error"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self not in _OPEN


_OPEN = frozenset({Status.PLANNED, Status.QUEUED, Status.RUNNING, Status.WAITING})


class Trigger(StrEnum):
    """What asked for an execution."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    CODE = "code"
    WEBHOOK = "webhook"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class AttemptError:
    """Why one attempt failed.

    Args:
        type: The exception's class, such as ``httpx.ConnectTimeout``.
        message: Its text.
        traceback: The calls that led to it, without local variables; may be empty.
        attempt: Counted from 1.
        at: When it failed.
    """

    type: str
    message: str
    traceback: str = ""
    attempt: int = 1
    at: datetime | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the error as every face shows it."""
        return {
            "type": self.type,
            "message": self.message,
            "traceback": self.traceback,
            "attempt": self.attempt,
            "at": _time(self.at),
        }


@dataclass(frozen=True, slots=True)
class Execution:
    """What is known of one execution; see `to_document` for the words every face uses."""

    id: str
    helper: str
    queue: str
    priority: int
    status: Status
    reason: str = ""
    planned_at: datetime | None = None
    due_at: datetime | None = None
    enqueued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    attempt: int = 1
    max_attempts: int = 1
    delivery: int = 0
    payload: Any = None
    result: Any = None
    errors: tuple[AttemptError, ...] = ()
    trigger: Trigger = Trigger.CODE
    replay_of: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    waits_for: Mapping[str, Any] | None = None
    unique_key: str | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the one document that CLI, HTTP, archive and events show.

        Times are RFC 3339 UTC; ``error`` is the last attempt's, ``errors`` the first and the last
        two; ``waits_for`` is the limit that holds a queued one back, where that was asked for;
        ``count`` is above 1 only where identical skips of a rapid schedule share a row.
        """
        name, instance = split_key(self.helper)
        return {
            "id": self.id,
            "helper": name,
            "instance": instance,
            "queue": self.queue,
            "priority": self.priority,
            "status": self.status.value,
            "reason": self.reason,
            "planned_at": _time(self.planned_at),
            "due_at": _time(self.due_at),
            "enqueued_at": _time(self.enqueued_at),
            "started_at": _time(self.started_at),
            "finished_at": _time(self.finished_at),
            "expires_at": _time(self.expires_at),
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "delivery": self.delivery,
            "payload": self.payload,
            "result": self.result,
            "error": self.errors[-1].to_document() if self.errors else None,
            "errors": [error.to_document() for error in self.errors],
            "trigger": self.trigger.value,
            "replay_of": self.replay_of,
            "metadata": dict(self.metadata),
            "waits_for": dict(self.waits_for) if self.waits_for else None,
            "count": self.count,
            "unique_key": self.unique_key,
        }


def _time(at: datetime | None) -> str | None:
    return None if at is None else to_rfc3339(at)
