"""The audit trail."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from helperhub.api.documents.base import TIME, Document


class AuditEntryDocument(Document):
    """Something that somebody did."""

    id: str = Field(examples=["1763886600000-0"])
    """Its place in the trail."""
    at: str = Field(examples=[TIME])
    """When."""
    who: str = Field(examples=["key:3f9aK2mPq8Zx"])
    """A key, a person on a host, a plugin, a webhook, or the system."""
    note: str
    """The key's name."""
    action: str = Field(examples=["helper.disable"])
    """What was done."""
    target: str = Field(examples=["weather"])
    """What it was done to."""
    reason: str
    """Why, in his words."""
    before: Any = Field(examples=[{"enabled": True}])
    """How that was."""
    after: Any = Field(examples=[{"enabled": False}])
    """How it is since."""


class AuditPage(Document):
    """A page of the trail, newest first."""

    entries: list[AuditEntryDocument]
    """The entries."""
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null when this is the last."""
