"""The hub as a whole."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from helperhub.api.documents.base import TIME, Document

_TOTALS = {"enqueued": 42, "started": 41, "retried": 1, "success": 38, "error": 2, "expired": 1}


class ServerDocument(Document):
    """A Redis or Valkey server."""

    address: str = Field(examples=["10.0.0.5:6379"])
    """Where it is; empty when there is only one."""
    engine: str | None = Field(examples=["valkey"])
    """``valkey`` or ``redis``; null when it can't be asked, as the next three."""
    version: str | None = Field(examples=["9.1.2"])
    """Its version."""
    used_memory_bytes: int | None = Field(examples=[24_000_000])
    """Memory that it uses."""
    max_memory_bytes: int | None = Field(examples=[1_073_741_824])
    """Memory that it may use; null when that isn't bounded."""
    error: str | None = Field(examples=[None])
    """Why it can't be asked."""


class SchedulersDocument(Document):
    """Schedulers of the hub."""

    at_work: int = Field(examples=[1])
    """How many were heard of within 10 s."""
    last_heard_at: str | None = Field(examples=[TIME])
    """When one was heard of last; null when none ever was."""


class WorkersDocument(Document):
    """Worker processes of the hub."""

    processes: int = Field(examples=[4])
    """How many are registered."""
    threads: int = Field(examples=[32])
    """Executions that they can run at once."""
    busy: int = Field(examples=[1])
    """Processes that have something in hand."""
    idle: int = Field(examples=[3])
    """Processes that have nothing."""
    suspended: int = Field(examples=[0])
    """Processes that claim nothing because somebody paused them."""


class QueueSumsDocument(Document):
    """All queues together."""

    known: int = Field(examples=[3])
    """Queues ever used."""
    paused: int = Field(examples=[0])
    """Queues from which nothing is claimed."""
    waiting: int = Field(examples=[2])
    """Executions that wait, for whatever."""
    running: int = Field(examples=[1])
    """Executions in hand of a worker process."""
    totals: dict[str, int] = Field(examples=[_TOTALS])
    """Counters since the hub was made: enqueued, started, retried and each final state."""
    mean_wait_ms: float = Field(examples=[3.5])
    """Mean time from due to start."""
    mean_run_ms: float = Field(examples=[120.0])
    """Mean time from start to outcome."""


class HelperSumsDocument(Document):
    """All helpers together."""

    known: int = Field(examples=[6])
    """Helpers and instances in the catalogue."""
    enabled: int = Field(examples=[5])
    """Those whose schedules are planned."""
    unreadable: int = Field(examples=[0])
    """Entries of the catalogue that can't be read."""
    planned: int = Field(examples=[24])
    """Due times in the look-ahead."""


class FiringAlertDocument(Document):
    """An alert that fires."""

    id: str = Field(examples=["8q3k7w2m1p0v9x4n5c6b2d"])
    """Its id."""
    rule: str = Field(examples=["dead_letters"])
    """Its rule."""
    subject: str = Field(examples=["helper:weather"])
    """What it is about."""
    severity: Literal["warning", "critical"]
    """How much of a hurry it is."""
    state: Literal["firing", "acknowledged"]
    """Whether somebody took it on."""
    text: str = Field(examples=["New dead letters of 'weather': 1."])
    """What is wrong, for people."""
    since: str = Field(examples=[TIME])
    """Since when."""


class AlertSumsDocument(Document):
    """What fires."""

    firing: int = Field(examples=[0])
    """Alerts that aren't resolved."""
    newest: list[FiringAlertDocument]
    """The newest 20 of them."""


class SystemDocument(Document):
    """How the hub is."""

    hub: str = Field(examples=["main"])
    """Its name."""
    version: str = Field(examples=["0.1.0"])
    """The release of the process that answers."""
    status: Literal["operational", "degraded"]
    """Whether all that is needed is at work."""
    problems: list[str] = Field(examples=[["No worker process is at work: nothing that is enqueued will run."]])
    """What isn't, for people."""
    at: str = Field(examples=[TIME])
    """When, by Redis's clock."""
    redis: list[ServerDocument]
    """The servers."""
    schedulers: SchedulersDocument
    """The schedulers."""
    workers: WorkersDocument
    """The worker processes."""
    queues: QueueSumsDocument
    """The queues."""
    dead_letters: int = Field(examples=[0])
    """Executions that were given up and await somebody."""
    helpers: HelperSumsDocument
    """The helpers."""
    alerts: AlertSumsDocument
    """What fires."""
