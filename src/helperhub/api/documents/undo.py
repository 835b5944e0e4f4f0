"""What became of undoing a change."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from helperhub.api.documents.base import Document

UNDO = "0q2v8d3n4h5j6k7m8n9p0q"


class UndoneDocument(Document):
    """What became of undoing a change."""

    id: str = Field(examples=[UNDO])
    """The change."""
    change: Literal["delete", "replay", "purge"]
    """What had been done."""
    target: str | None = Field(examples=["default"])
    """The queue that had been purged; else null."""
    undone: int
    """Executions that are as before: dead letters put back, replays cancelled, purged ones enqueued again."""
    kept: int
    """Executions that couldn't be taken back, such as replays that had started."""
    again: bool
    """Whether it was undone before: this time nothing was done."""
    text: str
    """All of this for people."""
