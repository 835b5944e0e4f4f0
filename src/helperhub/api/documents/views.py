"""Saved searches."""

from __future__ import annotations

from pydantic import Field

from helperhub.api.documents.base import Document


class ViewDocument(Document):
    """A saved search of executions."""

    name: str = Field(examples=["Failed today"])
    """What it is called."""
    query: str = Field(examples=["status:error since:24h"])
    """The search, as ``q`` of ``/executions`` takes it."""


class ViewList(Document):
    """One's saved searches."""

    views: list[ViewDocument]
    """Those of the key that asks, by name."""


class DeletedViewDocument(Document):
    """A search that isn't saved any more."""

    name: str = Field(examples=["Failed today"])
    """What it was called."""
    deleted: bool
    """That it isn't."""
