"""Executions, planned ones too."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from helperhub.api.documents.base import TIME, Document
from helperhub.model.execution import Status, Trigger


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
    payload: Any
    """What it was given."""
    result: Any
    """What it returned."""
    error: ExecutionErrorDocument | None
    """The last attempt's error."""
    errors: list[ExecutionErrorDocument]
    """The first and the last two."""
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


class ExecutionPage(Document):
    """A page of executions."""

    executions: list[ExecutionDocument]
    """The executions."""
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null when this is the last."""


class PlanChangeDocument(Document):
    """What became of a planned execution."""

    id: str = Field(examples=["weather@20261123T083000Z"])
    """Its id, which stays."""
    due_at: str | None = Field(examples=[TIME])
    """When it is due now; null when it was skipped."""
