"""Webhooks, and what their senders are answered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from helperhub.api.documents.base import TIME, Document


class DeliveredDocument(Document):
    """A message was taken in."""

    message: Literal["Workflow execution enqueued"]
    """Always the same."""
    job_id: str
    """The execution's id; the same for a message that is sent again."""
    workflow_id: str = Field(examples=["weather"])
    """The helper."""
    status: Literal["accepted"]
    """Always the same."""
    spooled: bool = False
    """Whether it is on disk and will be enqueued when Redis is back; only there if it is so."""


class WebhookDocument(Document):
    """A webhook, never its token or secret."""

    id: str = Field(examples=["3f9aK2mPq8Zx"])
    """What lists and the audit name it by."""
    name: str = Field(examples=["shop orders"])
    """A word for people."""
    helper: str = Field(examples=["weather"])
    """`helper[/instance]` that it starts."""
    enabled: bool
    """Whether it takes messages."""
    signed: bool
    """Whether it takes signed messages only (Standard Webhooks)."""
    max_body: int
    """Largest body, bytes."""
    created_at: str = Field(examples=[TIME])
    """When it was made."""
    overlap_ends_at: str | None
    """When a token or secret that was rotated ends; null if none does."""


class WebhookList(Document):
    """The webhooks that a key may see."""

    webhooks: list[WebhookDocument]
    """By id."""


class NewWebhookDocument(WebhookDocument):
    """A webhook that was just made."""

    token: str = Field(examples=["wh_3f9aK2mPq8Zx_..."])
    """Its token, which nobody can see again."""
    path: str = Field(examples=["/webhook/wh_3f9aK2mPq8Zx_..."])
    """Where messages are sent to, on this server."""
    secret: str | None = Field(examples=["whsec_..."])
    """The secret that messages are signed with, which nobody can see again; null if they aren't."""


class NewTokenDocument(WebhookDocument):
    """A webhook with a new token."""

    token: str
    """The token, which nobody can see again."""
    path: str
    """Where messages are sent to, on this server."""


class NewSecretDocument(WebhookDocument):
    """A webhook with a new secret."""

    secret: str
    """The secret, which nobody can see again."""


class DeletedWebhookDocument(Document):
    """A webhook that is no more."""

    id: str = Field(examples=["shop-orders"])
    """The webhook's id."""
    deleted: Literal[True]
    """Its next message is refused."""
