"""Queues and worker processes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from helperhub.api.documents.base import Document


class QueueDocument(Document):
    """A queue at one moment."""

    name: str = Field(examples=["default"])
    """Its name."""
    ready: int
    """Executions that could start now."""
    delayed: int
    """Executions that wait for their due time."""
    parked: int
    """Executions that wait until an earlier one of their helper ends."""
    limited: int
    """Executions that wait under limits of their helper."""
    running: int
    """Executions in hand of a worker process."""
    paused: bool
    """Whether nothing is claimed from it."""
    totals: dict[str, int]
    """Counters since the hub was made: enqueued, started, retried and each final state."""
    mean_wait_ms: float | None
    """Mean time from due to start."""
    mean_run_ms: float | None
    """Mean time from start to outcome."""


class QueueList(Document):
    """All queues."""

    queues: list[QueueDocument]
    """The queues, by name."""


class PausedDocument(Document):
    """Whether a queue is paused."""

    name: str = Field(examples=["default"])
    """The queue."""
    paused: bool
    """Whether nothing is claimed from it."""


class PurgedDocument(Document):
    """What purging a queue did."""

    name: str = Field(examples=["default"])
    """The queue."""
    cancelled: int
    """Executions that were cancelled."""
    undo: str | None
    """What ``/undo`` takes to enqueue them again, for 10 minutes; null if there were none."""


class DoingDocument(Document):
    """What one thread of a worker process runs."""

    thread: int
    """The thread, from 1 in the order of their first start."""
    id: str = Field(examples=["01m8gne6f3yhxh2vc3sr2b"])
    """The execution."""
    helper: str | None
    """Its helper; null if it ended meanwhile and isn't kept."""
    since: str
    """Since when it has been seen to, a second more or less."""


class WorkerDocument(Document):
    """A worker process."""

    id: str = Field(examples=["web1:4711:8x2k"])
    """Its id: host, process, and a word by chance."""
    host: str
    """Where it runs."""
    pid: int
    """Its process id there."""
    version: str
    """Its release of HelperHub."""
    schema_: int = Field(alias="schema")
    """The newest schema of the keys that it knows."""
    threads: int
    """Executions that it runs at once."""
    queues: list[str]
    """Queues that it serves."""
    status: Literal["suspended", "busy", "idle"]
    """Whether it works."""
    running: int
    """Executions that it has in hand."""
    joined_at: str
    """When it came."""
    lease_until: str
    """When its work is handed out again if nothing is heard of it."""
    memory_bytes: int | None
    """Its resident memory; null where its keeper can't tell."""
    seen_at: str | None
    """When its keeper looked: every 2 seconds while something changes, else every third of the lease."""
    doing: list[DoingDocument]
    """What its threads ran then; threads that ran nothing aren't listed."""


class WorkerList(Document):
    """All worker processes."""

    workers: list[WorkerDocument]
    """The worker processes."""


class WorkerPausedDocument(Document):
    """Whether a worker process is paused."""

    id: str = Field(examples=["web1:4711:8x2k"])
    """The worker process."""
    paused: bool
    """Whether it claims nothing."""
