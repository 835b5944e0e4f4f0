"""6. What is planned can be changed while all runs: one execution, or a helper as a whole."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from tests.fundamentals.conftest import Running

from helperhub import Context, Every, Hub, helper
from helperhub.model.execution import Execution, Status
from helperhub.services.executions import ExecutionFilter
from helperhub.services.helpers import HelperUpdate


@helper(schedule=Every(timedelta(minutes=10)))
def sweep(ctx: Context[Any]) -> str:
    """Run every ten minutes."""
    del ctx
    return "swept"


@helper(schedule=Every(timedelta(seconds=1)))
def tick(ctx: Context[Any]) -> str:
    """Run every second; ``ctx.planned_at`` is the schedule's moment."""
    assert ctx.planned_at is not None
    return ctx.planned_at.isoformat()


def wait_for(hub: Hub, helper_name: str, count: int) -> list[Execution]:
    """Wait until so many executions of a helper have ended; return them, newest first."""
    succeeded = ExecutionFilter(helper=helper_name, statuses=frozenset({Status.SUCCESS}))
    deadline = time.monotonic() + 10
    while len(found := hub.executions.find(succeeded, limit=10)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_scheduled_helper_runs_at_its_planned_times(running: Running) -> None:
    """Each planned time is one execution, and its id names helper and UTC second."""
    with running([tick]) as hub:
        second, first = wait_for(hub, "tick", 2)[:2]

    assert first.planned_at is not None
    assert second.planned_at == first.planned_at + timedelta(seconds=1)
    assert first.id == f"tick@{first.planned_at:%Y%m%dT%H%M%SZ}"
    assert first.result == first.planned_at.isoformat()
    assert first.started_at is not None
    assert first.started_at - first.planned_at < timedelta(seconds=1)


def test_one_planned_execution_can_be_skipped_and_the_reason_stays(running: Running) -> None:
    """It is recorded as skipped, and planning again doesn't bring it back."""
    with running([sweep]) as hub:
        first, second, *_ = hub.plan.upcoming()

        hub.plan.skip(first.id, reason="guests")
        hub.helpers.disable("sweep")
        hub.helpers.enable("sweep")

        assert hub.plan.upcoming()[0].id == second.id
        skipped = hub.executions.get(first.id)

    assert (skipped.status, skipped.reason) == ("skipped", "guests")


def test_one_planned_execution_can_be_moved_and_keeps_its_id(running: Running) -> None:
    """Its planned time is who it is; its due time is when it runs."""
    with running([sweep], worker=False) as hub:
        first = hub.plan.upcoming()[0]
        assert first.due_at is not None

        hub.plan.move(first.id, to=first.due_at + timedelta(minutes=5), reason="later")

        moved = hub.executions.get(first.id)

    assert moved.planned_at == first.planned_at
    assert moved.due_at == first.due_at + timedelta(minutes=5)


def test_one_planned_execution_can_be_run_now(running: Running) -> None:
    """It runs once: not now and then again at its planned time."""
    with running([sweep]) as hub:
        first = hub.plan.upcoming()[0]

        hub.plan.run(first.id, reason="it is dusty")
        execution = hub.wait(first.id)

        assert first.id not in {planned.id for planned in hub.plan.upcoming()}

    assert (execution.status, execution.result, execution.trigger) == ("success", "swept", "schedule")


def test_schedule_and_priority_can_be_changed_beside_what_the_author_declared(running: Running) -> None:
    """A change is kept beside the spec: a new release of the plugin leaves it, ``reset`` drops it."""
    with running([sweep], worker=False) as hub:
        hourly = {"": Every(timedelta(hours=1))}
        hub.helpers.update("sweep", HelperUpdate(schedules=hourly, priority=1), reason="too often")
        assert len(hub.plan.upcoming()) == 2
        assert hub.helpers.show("sweep")["override"]["reason"] == "too often"

        hub.helpers.reset("sweep")
        assert len(hub.plan.upcoming()) == 12
