"""API keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from helperhub.api.documents.base import Document
from helperhub.model.access import Scope


class KeyDocument(Document):
    """An API key, never its secret."""

    id: str = Field(examples=["3f9aK2mPq8Zx"])
    """What lists and the audit name it by."""
    name: str
    """A word for people."""
    scopes: list[Scope]
    """What it may do."""
    helpers: list[str]
    """Only these; empty means all."""
    queues: list[str]
    """Only these; empty means all."""
    created_at: str
    """When it was made."""
    expires_at: str | None
    """When it ends; null means never."""
    expired: bool
    """Whether it has ended."""
    last_used_at: str | None
    """When it was used last, to the minute."""
    rotated_to: str | None
    """Its successor."""


class KeyList(Document):
    """All keys."""

    keys: list[KeyDocument]
    """The keys, by id."""


class NewKeyDocument(KeyDocument):
    """A key that was just made."""

    key: str = Field(examples=["hh_live_3f9aK2mPq8Zx_..."])
    """The key itself, which nobody can see again."""


class RevokedDocument(Document):
    """A key that is no more."""

    id: str = Field(examples=["3f9aK2mPq8Zx"])
    """The key's id."""
    revoked: Literal[True]
    """Its next request is refused."""
