"""Many executions started by one request."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.asked import id_of_request
from helperhub.api.runs import RunBody, check_runs, read_options
from helperhub.hub import Hub
from helperhub.model.access import Principal
from helperhub.services.accepting import Order

#: Most executions of one request.
MOST_OF_A_BATCH = 1000


class BatchItem(RunBody):
    """One execution of a batch; beside its helper nothing has to be given."""

    helper: str = Field(max_length=200, examples=["weather"], description="`helper[/instance]`.")


class BatchBody(BaseModel):
    """What to start."""

    model_config = ConfigDict(extra="forbid")

    executions: Annotated[list[BatchItem], Field(min_length=1, max_length=MOST_OF_A_BATCH)]
    metadata: dict[str, Any] = Field(default={}, description="Kept with each of them.", examples=[{"app": "shop"}])


def start_batch(hub: Hub, caller: Principal, body: BatchBody, idempotency_key: str | None) -> dict[str, Any]:
    """Enqueue what a request asks for, or spool all of it; return its document.

    Everything that can be checked is checked before the first is enqueued.

    Raises:
        NotFound: A helper isn't known, for all that the caller may know; nothing was enqueued.
        UsageError: A value can't be used; nothing was enqueued.
        QueueFull: A queue is full; the hint says how many were enqueued before.
        StoreError: Redis can't take them; likewise.
    """
    items = body.executions
    for name in {item.helper for item in items}:
        check_runs(hub, caller, name)
    orders = [_order(caller, body, place, idempotency_key) for place in range(len(items))]
    found = hub.accepting.accept_many(orders)
    rows = [
        {"id": one.id, "helper": order.helper, "existed": one.id.existed}
        for order, one in zip(orders, found, strict=True)
    ]
    document = {"executions": rows, "count": len(rows)}
    return {**document, "spooled": True} if found[0].spooled else document


def _order(caller: Principal, body: BatchBody, place: int, idempotency_key: str | None) -> Order:
    item = body.executions[place]
    options = read_options(item, id_of_request(caller, f"{item.helper}\0{place}", item.id, idempotency_key))
    return Order(item.helper, item.payload, replace(options, metadata={**body.metadata, **item.metadata}))
