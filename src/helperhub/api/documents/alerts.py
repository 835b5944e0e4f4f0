"""Alerts and their rules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from helperhub.api.documents.base import TIME, Document

_ID = "8q3k7w2m1p0v9x4n5c6b2d"


class AlertDocument(Document):
    """An alert, from firing to resolved."""

    id: str = Field(examples=[_ID])
    """Its id."""
    rule: str = Field(examples=["queue_depth"])
    """Its rule; `GET /alert-rules` lists them."""
    subject: str = Field(examples=["queue:default"])
    """What it is about: `helper:NAME`, `queue:NAME`, `worker:HOST`, `scheduler:HOST`, `redis:SHARD` or `hub`."""
    severity: Literal["warning", "critical"]
    """How much of a hurry it is."""
    state: Literal["firing", "acknowledged", "resolved"]
    """Where it stands."""
    text: str = Field(examples=["140 executions wait in queue 'default': above 100."])
    """What is wrong, for people."""
    value: float = Field(examples=[140])
    """What was seen last, in the rule's unit."""
    threshold: float = Field(examples=[100])
    """What that was above."""
    unit: Literal["count", "seconds", "share"]
    """The rule's unit."""
    since: str = Field(examples=[TIME])
    """When it began to fire."""
    told_at: str | None
    """When people were told; null if they weren't."""
    escalated_at: str | None
    """When the second targets were told; null if they weren't."""
    acknowledged_at: str | None
    """When somebody took it on; null if nobody did."""
    acknowledged_by: str | None = Field(examples=["ops"])
    """Who did."""
    note: str
    """What he said."""
    resolved_at: str | None
    """When it was resolved; null if it isn't."""


class AlertPage(Document):
    """A page of alerts."""

    alerts: list[AlertDocument]
    """Newest first."""
    next_cursor: str | None
    """For the next page; null on the last."""


class SubjectThresholdDocument(Document):
    """A threshold of one helper or queue."""

    subject: str = Field(examples=["helper:weather"])
    """Whose it is."""
    threshold: float | None = Field(examples=[20])
    """Above it fires; null is never."""
    shown: str = Field(examples=["20"])
    """The same for people."""


class RuleDocument(Document):
    """What is watched, and above what it fires."""

    rule: str = Field(examples=["failures"])
    """Its name."""
    about: str
    """What it counts, for people."""
    severity: Literal["warning", "critical"]
    """Of its alerts."""
    unit: Literal["count", "seconds", "share"]
    """What its threshold counts."""
    threshold: float | None = Field(examples=[10])
    """Above it fires; null is never."""
    setting: float | None = Field(examples=[10])
    """What the settings say."""
    shown: str = Field(examples=["10"])
    """The threshold for people."""
    subjects: list[SubjectThresholdDocument]
    """Helpers and queues with a threshold of their own."""


class RuleList(Document):
    """All rules."""

    rules: list[RuleDocument]
    """In a fixed order."""


class TestedDocument(Document):
    """A notification that tries the way."""

    id: str = Field(examples=[_ID])
    """The notification's id, which its executions have in their metadata."""
