"""4. What goes first, what waits, and what is too late."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from tests.fundamentals.conftest import Running

from helperhub import Context, helper
from helperhub.testing import running_hub
from helperhub.testing.running import working

order: list[str] = []


@helper
def note(ctx: Context[Any]) -> None:
    order.append(ctx.payload)


@helper(queue="high")
def urgent(ctx: Context[Any]) -> None:
    order.append(ctx.payload)


def test_high_queue_goes_first_then_priority(redis_url: str) -> None:
    order.clear()
    with running_hub([note, urgent], url=redis_url, worker=False, scheduler=False) as hub:
        for priority in (5, 3, 1):
            hub.enqueue("note", f"priority {priority}", priority=priority)
        hub.enqueue("urgent", "urgent")

        with working(hub, threads=1):
            hub.broker.join("default", timeout=10_000)
            hub.broker.join("high", timeout=10_000)

    assert order == ["urgent", "priority 1", "priority 3", "priority 5"]


def test_a_delayed_execution_starts_when_it_is_due(running: Running) -> None:
    with running([note]) as hub:
        execution = hub.wait(hub.enqueue("note", "later", delay=timedelta(milliseconds=200)))

    assert execution.due_at is not None
    assert execution.started_at is not None
    assert execution.enqueued_at is not None
    assert execution.due_at - execution.enqueued_at == timedelta(milliseconds=200)
    assert execution.started_at >= execution.due_at


def test_what_cannot_start_before_its_expiry_is_recorded_and_never_run(redis_url: str) -> None:
    order.clear()
    with running_hub([note], url=redis_url, worker=False, scheduler=False) as hub:
        late = hub.enqueue("note", "too late", expires_after=timedelta(milliseconds=1))
        hub.enqueue("note", "in time")
        time.sleep(0.01)

        with working(hub):
            assert hub.wait(late).status == "expired"
            hub.broker.join("default", timeout=10_000)

    assert order == ["in time"]


def test_many_executions_are_enqueued_in_one_round_trip(running: Running) -> None:
    order.clear()
    with running([note]) as hub:
        ids = hub.enqueue_many([("note", str(number)) for number in range(200)])
        hub.broker.join("default", timeout=20_000)

        assert {hub.executions.get(id_).status for id_ in ids} == {"success"}
    assert len(order) == 200
