"""Dead letters, and what they failed of."""

from __future__ import annotations

from pydantic import Field

from helperhub.api.documents.base import TIME, Document
from helperhub.api.documents.executions import ExecutionDocument


class DeadLetterPage(Document):
    """A page of dead letters."""

    dead: list[ExecutionDocument]
    """The dead letters, newest first."""
    total: int | None
    """How many there are in the hub, of whatever helper and cause; null for keys that are narrowed."""
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null when this is the last."""


class CauseDocument(Document):
    """Dead letters that failed alike."""

    fingerprint: str = Field(examples=["5f2c81d09ab3e644"])
    """What ``cause`` takes; it stays the same as long as they fail alike."""
    helper: str = Field(examples=["weather"])
    """The helper, whatever its instance."""
    type: str = Field(examples=["httpx.ConnectTimeout"])
    """The exception's class; empty where there was none."""
    place: str = Field(examples=["weather.py, in fetch: response.raise_for_status()"])
    """The last line of the helper's own code; empty if that isn't known."""
    message: str
    """The error's text without numbers, ids and what is quoted."""
    count: int
    """How many."""
    first_seen: str | None = Field(examples=[TIME])
    """When the oldest was given up."""
    last_seen: str | None = Field(examples=[TIME])
    """When the newest was."""
    example: str
    """The newest one's id."""


class CauseList(Document):
    """Dead letters by cause."""

    groups: list[CauseDocument]
    """The causes, the most frequent first."""
    looked: int | None
    """How many dead letters were looked at, the newest first; null for keys that are narrowed."""
    total: int | None
    """How many there are in the hub; null for keys that are narrowed."""


class DeletedDocument(Document):
    """How many dead letters were deleted."""

    deleted: int
    """How many."""
    undo: str | None = Field(examples=["0q2v8d3n4h5j6k7m8n9p0q"])
    """What ``/undo`` takes to put them back, for 10 minutes; null if there were none."""


class MassReplayDocument(Document):
    """The execution that replays."""

    id: str
    """Its id: watch it, or cancel it, as any execution."""
    helper: str = Field(examples=["helperhub.replay"])
    """Its helper."""
