"""Many executions started by one request."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.asked import id_of_request
from helperhub.api.bodies import read_duration, read_time
from helperhub.api.routes.helpers import RunBody, check_sees
from helperhub.errors import HelperHubError
from helperhub.hub import Hub
from helperhub.model.access import Principal
from helperhub.model.execution import Trigger
from helperhub.model.identity import ExecutionId
from helperhub.services.enqueueing import EnqueueOptions

#: Most executions of one request.
MOST_OF_A_BATCH = 1000
_OF_ALL = frozenset({"helper", "payload"})


class BatchItem(RunBody):
    """One execution of a batch; beside its helper nothing has to be given."""

    helper: str = Field(max_length=200, examples=["weather"], description="`helper[/instance]`.")


class BatchBody(BaseModel):
    """What to start."""

    model_config = ConfigDict(extra="forbid")

    executions: Annotated[list[BatchItem], Field(min_length=1, max_length=MOST_OF_A_BATCH)]
    metadata: dict[str, Any] = Field(default={}, description="Kept with each of them.", examples=[{"app": "shop"}])


def start_batch(hub: Hub, caller: Principal, body: BatchBody, idempotency_key: str | None) -> dict[str, Any]:
    """Enqueue what a request asks for; return its document.

    Everything that can be checked is checked before the first is enqueued.

    Raises:
        NotFound: A helper isn't known, for all that the caller may know; nothing was enqueued.
        UsageError: A value can't be used; the hint says how many were enqueued before.
        QueueFull: A queue is full; likewise.
        StoreError: Redis can't take them; likewise.
    """
    items = body.executions
    for name in {item.helper for item in items}:
        check_sees(hub, caller, name)
    if idempotency_key is None and all(item.model_fields_set <= _OF_ALL for item in items):
        pairs = [(item.helper, item.payload) for item in items]
        ids = hub.enqueue_many(pairs, metadata=body.metadata, trigger=Trigger.MANUAL, wait=timedelta(0))
    else:
        ids = _start_each(hub, caller, body, idempotency_key)
    new = [id_ for id_ in ids if not id_.existed]
    if new:
        target = items[0].helper if len(items) == 1 else f"{len(new)} executions"
        hub.audit.note("execution.start", target, after={"executions": new})
    rows = [{"id": id_, "helper": item.helper, "existed": id_.existed} for item, id_ in zip(items, ids, strict=True)]
    return {"executions": rows, "count": len(rows)}


def _start_each(hub: Hub, caller: Principal, body: BatchBody, idempotency_key: str | None) -> list[ExecutionId]:
    wanted = [_options_of(caller, body, place, idempotency_key) for place in range(len(body.executions))]
    for options in wanted:
        options.message_options(), options.delay_ms()
    ids: list[ExecutionId] = []
    for item, options in zip(body.executions, wanted, strict=True):
        try:
            ids.append(hub.enqueue_with(item.helper, item.payload, options))
        except HelperHubError as error:
            error.hint = f"{len(ids)} of {len(wanted)} were enqueued. {error.hint}".strip()
            raise
    return ids


def _options_of(caller: Principal, body: BatchBody, place: int, idempotency_key: str | None) -> EnqueueOptions:
    item = body.executions[place]
    return EnqueueOptions(
        delay=read_duration(item.delay, "delay"),
        at=read_time(item.at),
        priority=item.priority,
        id=id_of_request(caller, f"{item.helper}\0{place}", item.id, idempotency_key),
        expires_after=read_duration(item.expires_after, "expires_after"),
        metadata={**body.metadata, **item.metadata},
        trigger=Trigger.MANUAL,
        wait=timedelta(0),
        unique_key=item.unique_key,
        unique_for=read_duration(item.unique_for, "unique_for"),
        callback=item.callback,
    )
