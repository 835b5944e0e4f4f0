"""Callbacks: what was told to whom."""

from __future__ import annotations

from pydantic import Field

from helperhub.api.documents.base import TIME, Document
from helperhub.api.documents.executions import ExecutionErrorDocument
from helperhub.model.execution import Status


class CallbackAnswerDocument(Document):
    """What a target answered."""

    status: int = Field(examples=[204])
    """The HTTP status."""
    ms: int = Field(examples=[38])
    """How long it took."""
    body: str
    """Its first bytes."""


class CallbackDocument(Document):
    """One callback: itself an execution, with its attempts."""

    id: str = Field(examples=["callback:0q2v8d3n4h5j6k7m8n9p0q"])
    """Its id."""
    execution: str = Field(examples=["0q2v8d3n4h5j6k7m8n9p0q"])
    """The execution whose end it tells; also the header ``webhook-id``."""
    helper: str = Field(examples=["weather"])
    """That execution's ``helper[/instance]``."""
    queue: str
    """That execution's queue."""
    type: str | None = Field(examples=["execution.success"])
    """How it ended."""
    url: str | None = Field(examples=["https://shop.example.org/done"])
    """Where it goes, without the query."""
    status: Status
    """Where the callback stands: success was taken, error was given up."""
    reason: str
    """Why it stands there."""
    attempt: int
    """Calls so far, from 1."""
    max_attempts: int
    """Calls in all."""
    due_at: str | None = Field(examples=[TIME])
    """When it is, or was last, to be called."""
    enqueued_at: str | None
    """When it came in."""
    finished_at: str | None
    """When it was taken or given up."""
    answer: CallbackAnswerDocument | None
    """What the target answered when it took it."""
    errors: list[ExecutionErrorDocument]
    """The first failed call and the last two, with what was answered."""
    replay_of: str | None
    """The callback that it repeats."""


class CallbackPage(Document):
    """A page of callbacks, newest first."""

    callbacks: list[CallbackDocument]
    """The callbacks."""
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null when this is the last."""


class CallbackReplayedDocument(Document):
    """A callback that is sent once more."""

    id: str = Field(examples=["0q2v8d3n4h5j6k7m8n9p0q"])
    """The new callback."""
    replay_of: str
    """The one before."""
