"""Executions, planned ones too."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from helperhub.api.documents.base import TIME, Document
from helperhub.model.execution import Status, Trigger
from helperhub.services.archived import ArchiveState


class ExecutionErrorDocument(Document):
    """Why one attempt failed."""

    type: str = Field(examples=["httpx.ConnectTimeout"])
    """The exception's class."""
    message: str
    """Its text."""
    traceback: str
    """The calls that led to it, without values."""
    attempt: int
    """Which attempt, from 1."""
    at: str | None = Field(examples=[TIME])
    """When."""


class ExecutionDocument(Document):
    """One execution, from planned or queued to its end."""

    id: str
    """Its id."""
    helper: str = Field(examples=["weather"])
    """The helper's name."""
    instance: str | None
    """The instance's name."""
    queue: str
    """Its queue."""
    priority: int
    """1 (first) to 5."""
    status: Status
    """Where it stands."""
    reason: str
    """Why it stands there."""
    planned_at: str | None
    """The schedule's moment."""
    due_at: str | None
    """When it was, or is, to be enqueued."""
    enqueued_at: str | None
    """When it was."""
    started_at: str | None
    """When its last attempt started."""
    finished_at: str | None
    """When it ended."""
    expires_at: str | None
    """After this it isn't started."""
    attempt: int
    """The attempt, from 1."""
    max_attempts: int
    """Attempts in all."""
    delivery: int
    """How often it was handed to a worker."""
    payload: Any = Field(examples=[{"city": "Berlin"}])
    """What it was given."""
    result: Any = Field(examples=[{"sent": 3}])
    """What it returned."""
    error: ExecutionErrorDocument | None
    """The last attempt's error."""
    errors: list[ExecutionErrorDocument]
    """The first and the last two; of one from the archive, all."""
    trigger: Trigger
    """What asked for it."""
    replay_of: str | None
    """The execution that it repeats."""
    metadata: dict[str, Any]
    """What its caller said of it."""
    waits_for: dict[str, Any] | None
    """The limit that holds it back."""
    count: int
    """Above 1 where identical skips share a row."""
    unique_key: str | None
    """Its unique key."""


class ProgressDocument(Document):
    """How far a running execution says it is."""

    model_config = ConfigDict(extra="allow")

    done: float
    """How much is done, in the helper's own unit."""
    total: float | None = None
    """How much there is."""
    text: str = Field(default="", examples=["half of it"])
    """What is going on."""


class LogLineDocument(Document):
    """A line that an execution logged."""

    model_config = ConfigDict(extra="allow")

    at: str = Field(examples=[TIME])
    """When."""
    level: str = Field(examples=["info"])
    """How grave."""
    text: str
    """What."""


class ExecutionStoryDocument(ExecutionDocument):
    """One execution with what it reported while it ran."""

    progress: ProgressDocument | None
    """Its last report."""
    log: list[LogLineDocument]
    """What it logged lately, oldest first."""


class ProgressReport(Document):
    """An execution's last progress report."""

    id: str
    """The execution."""
    progress: ProgressDocument | None
    """Its last report; null when there is none, or none any more."""


class LogReport(Document):
    """What an execution logged lately."""

    id: str
    """The execution."""
    log: list[LogLineDocument]
    """At most the last 200 lines, oldest first, while it runs and for an hour after its last word."""


class CancelledDocument(Document):
    """What became of an execution that was to stop."""

    id: str
    """The execution."""
    outcome: Literal["cancelled", "asked"]
    """``cancelled`` at once, or ``asked`` to stop because it runs."""


class ReplayedDocument(Document):
    """An execution that was put back."""

    id: str = Field(examples=["0q2v8d3n4h5j6k7m8n9p0q"])
    """The new execution."""
    replay_of: str
    """The one that it repeats."""


class ReplayedOneDocument(ReplayedDocument):
    """An execution that was put back by this request, or one before."""

    undo: str | None
    """What ``/undo`` takes to take it back, for 10 minutes; null if it was replayed before."""


class ReplayedList(Document):
    """Executions that were put back."""

    replayed: list[ReplayedDocument]
    """Each with the new execution's id."""
    undo: str | None
    """What ``/undo`` takes to take them back, for 10 minutes; null if all were replayed before."""


class StartedRow(Document):
    """One execution of a batch."""

    id: str
    """Its id."""
    helper: str = Field(examples=["weather"])
    """Its helper."""
    existed: bool
    """Whether it was there before, by its id or unique key."""


class StartedList(Document):
    """What was started, in the order of the request."""

    executions: list[StartedRow]
    """The executions."""
    count: int
    """How many."""
    spooled: bool = False
    """Whether they are on disk and will be enqueued when Redis is back; only there if it is so."""


class ArchiveViewDocument(Document):
    """What the archive gave to an answer."""

    state: ArchiveState
    """``read``; ``none`` where there is no archive; ``away`` where it can't be read, and only Redis was looked at."""
    until: str | None = Field(examples=[TIME])
    """What was recorded before this comes from the archive."""
    problem: str
    """Why it can't be read."""


class ExecutionPage(Document):
    """A page of executions."""

    executions: list[ExecutionDocument]
    """The executions."""
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null when this is the last."""
    archive: ArchiveViewDocument
    """Whether what left Redis is among them."""


class PlanPage(Document):
    """A page of what is planned."""

    executions: list[ExecutionDocument]
    """The executions, next due first."""
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null when this is the last."""


class PlanChangeDocument(Document):
    """What became of a planned execution."""

    id: str = Field(examples=["weather@20261123T083000Z"])
    """Its id, which stays."""
    due_at: str | None = Field(examples=[TIME])
    """When it is due now; null when it was skipped."""
