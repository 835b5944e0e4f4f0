"""What five older systems' callers look for, in those systems' words."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from helperhub.api.documents.base import TIME, Document
from helperhub.api.documents.executions import ExecutionDocument
from helperhub.model.execution import Status

_ID = "0q2v8d3n4h5j6k7m8n9p0q"
OldStatus = Literal["scheduled", "queued", "running", "finished", "failed", "cancelled", "skipped"]


class JobStatusDocument(Document):
    """An execution, as RQ's users know a job."""

    job_id: str = Field(examples=[_ID])
    """The execution."""
    workflow_id: str = Field(examples=["weather"])
    """Its helper, with the instance."""
    status: OldStatus
    """``finished`` is our ``success``; ``failed`` our ``error`` and ``expired``."""
    state: Status
    """The same in our words."""
    enqueued_at: str | None = Field(examples=[TIME])
    """When it came into its queue."""
    started_at: str | None = Field(examples=[TIME])
    """When its last attempt started."""
    finished_at: str | None = Field(examples=[TIME])
    """When it ended."""
    result: Any = Field(examples=[{"sent": 3}])
    """What it returned."""
    error: str | None = Field(examples=["RuntimeError: it is broken"])
    """Why it failed, in one line."""


class QueueInfoDocument(Document):
    """How many executions stand where, over all queues."""

    queued: int = Field(examples=[2])
    """Those that wait."""
    running: int = Field(examples=[1])
    """Those in hand of a worker process."""
    failed: int = Field(examples=[3])
    """Those given up or expired, since the hub was made."""
    finished: int = Field(examples=[38])
    """Those that succeeded, since the hub was made."""


class DispatcherDocument(Document):
    """What plans and enqueues."""

    registered_helpers: int = Field(examples=[6])
    """Helpers that are enabled."""
    running_executions: int = Field(examples=[1])
    """Executions in hand of a worker process."""
    dispatcher_running: bool
    """Whether a scheduler is at work."""


class SystemStatusDocument(Document):
    """The hub in the words of the older dispatcher."""

    system_status: Literal["operational", "degraded"]
    """Whether all that is needed is at work."""
    available_helpers: int = Field(examples=[6])
    """Helpers in the catalogue."""
    total_queued_executions: int = Field(examples=[24])
    """Executions that are planned or wait."""
    dispatcher: DispatcherDocument
    """What plans and enqueues."""
    timestamp: str = Field(examples=[TIME])
    """When, by Redis's clock."""


class ExecutionQueueDocument(Document):
    """What comes next."""

    count: int = Field(examples=[24])
    """How many are shown."""
    executions: list[ExecutionDocument]
    """Those that wait, then those that are planned; by due time, then priority."""


class QueueStatsDocument(Document):
    """Figures over all queues."""

    queue_size: int = Field(examples=[2])
    """Executions that wait."""
    active_tasks: int = Field(examples=[1])
    """Executions in hand of a worker process."""
    workers: int = Field(examples=[4])
    """Worker processes."""
    tasks_enqueued: int = Field(examples=[42])
    """Executions enqueued since the hub was made, as the next two."""
    tasks_completed: int = Field(examples=[38])
    """Those that succeeded."""
    tasks_failed: int = Field(examples=[3])
    """Those given up or expired."""
    avg_queue_time_ms: float = Field(examples=[3.5])
    """Mean time from due to start."""
    avg_execution_time_ms: float = Field(examples=[120.0])
    """Mean time from start to outcome."""


class ActiveTaskDocument(Document):
    """An execution in hand of a worker process."""

    id: str = Field(examples=[_ID])
    """The execution."""
    app_name: str = Field(examples=["shop"])
    """``app`` of its metadata, else its helper."""
    workflow_name: str = Field(examples=["weather/berlin"])
    """Its helper, with the instance."""
    enqueued_at: str | None = Field(examples=[TIME])
    """When it came into its queue."""


class ActiveTasksDocument(Document):
    """What runs."""

    count: int = Field(examples=[2])
    """How many."""
    tasks: list[ActiveTaskDocument]
    """The executions."""
