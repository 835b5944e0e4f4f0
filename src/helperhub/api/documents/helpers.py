"""Helpers and what becomes of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from helperhub.api.documents.base import TIME, Document


class HelperDocument(Document):
    """A helper or an instance, as its author declared it and operators changed it."""

    name: str = Field(examples=["weather/berlin"])
    """``helper[/instance]``."""
    helper: str = Field(examples=["weather"])
    """The helper's name."""
    instance: str | None = Field(examples=["berlin"])
    """The instance's name, null for the helper itself."""
    enabled: bool
    """Whether its schedules are planned."""
    queue: str = Field(examples=["default"])
    """Its queue."""
    priority: int = Field(ge=1, le=5, examples=[2])
    """1 (first) to 5."""
    schedule: str = Field(examples=["daily 07:30 Europe/Berlin"])
    """Its schedules in words; empty when it runs only when asked."""
    schedules: dict[str, dict[str, Any]] = Field(examples=[{"": {"type": "daily", "time": "07:30"}}])
    """Its schedules by name, the unnamed one under ""."""
    next_due_at: str | None = Field(examples=[TIME])
    """When it is due next."""
    expires_after: str | None = Field(examples=["30m"])
    """How long after its due time it isn't started any more; null means never."""
    max_attempts: int | None = Field(examples=[4])
    """Starts in all; null means as its queue says."""
    time_limit: str | None = Field(examples=["10m"])
    """How long one attempt may take; null means as its queue says."""
    overlap: str = Field(examples=["skip"])
    """What happens when the last execution still runs: skip, queue, allow."""
    limits: dict[str, Any] = Field(examples=[{"concurrency": 2}])
    """How many may run at once or start in a time."""
    paused: bool
    """Whether nothing of it is started."""
    pause_reason: str | None
    """Why it is paused."""
    payload: Any = Field(examples=[{"city": "Berlin"}])
    """What its scheduled executions are given."""
    callback: str | None = Field(examples=["https://shop.example.org/done"])
    """URL that is told how its executions end."""
    description: str
    """Its author's words."""
    plugin: str = Field(examples=["helperhub-weather"])
    """The distribution that brought it."""
    plugin_version: str = Field(examples=["1.2.0"])
    """That distribution's version."""
    override: dict[str, Any] | None
    """What operators changed."""


class WholeHelperDocument(HelperDocument):
    """A helper or an instance, with what its payloads must fit."""

    payload_schema: dict[str, Any] | None = Field(
        examples=[{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}]
    )
    """JSON Schema (2020-12) of its payloads, without values of secret fields; null if its author declares none."""


class HelperPage(Document):
    """A page of helpers, by name."""

    helpers: list[HelperDocument]
    """The helpers."""
    next_cursor: str | None
    """Give it as ``cursor`` to get the next page; null when this is the last."""


class HelperChangeDocument(Document):
    """What a change of a helper led to."""

    helper: str = Field(examples=["weather"])
    """``helper[/instance]``."""
    enabled: bool
    """Whether it is planned now."""
    planned: int = Field(examples=[4])
    """Due times that were entered in the plan."""
    removed: int = Field(examples=[0])
    """Due times that were taken out of it."""


class HelperPreviewDocument(Document):
    """What a change would lead to: due times before and after."""

    helper: str
    """``helper[/instance]``."""
    dry_run: Literal[True]
    """Nothing was changed."""
    before: list[str] = Field(examples=[[TIME]])
    """The next due times as things stand."""
    after: list[str] = Field(examples=[["2026-11-23T09:00:00Z"]])
    """The next due times after the change."""


class StartedDocument(Document):
    """An execution that was enqueued; ``message`` to ``task_id`` are what other systems' callers look for."""

    id: str = Field(examples=["0q2v8d3n4h5j6k7m8n9p0q"])
    """The execution."""
    existed: bool
    """Whether it was there before, by its id or unique key, and nothing was enqueued."""
    status: Literal["enqueued"]
    """It waits for a worker, or for its due time."""
    message: str = Field(examples=["Helper 'weather' enqueued"])
    """What happened, for people."""
    application: str = Field(examples=["weather"])
    """The helper."""
    task_id: str
    """The execution, again."""
    spooled: bool = False
    """Whether it is on disk and will be enqueued when Redis is back; only there if it is so."""
