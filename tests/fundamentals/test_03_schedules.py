"""3. A schedule's due times of the next two hours are visible, and can be acted on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.fundamentals.conftest import Running

from helperhub import Context, Every, helper
from helperhub.errors import NotFound
from helperhub.services.helpers import HelperUpdate


@helper(schedule=Every(timedelta(minutes=10)), expires_after=timedelta(minutes=5))
def tidy(ctx: Context[Any]) -> str:
    return f"planned at {ctx.planned_at:%H:%M}"


def test_the_plan_shows_the_next_two_hours(running: Running) -> None:
    with running([tidy]) as hub:
        upcoming = hub.plan.upcoming()

    assert len(upcoming) == 12
    assert upcoming[0].id == f"tidy@{upcoming[0].planned_at:%Y%m%dT%H%M%SZ}"


def test_one_planned_execution_is_run_now_and_another_is_skipped(running: Running) -> None:
    with running([tidy]) as hub:
        first, second = hub.plan.upcoming(limit=2)

        hub.plan.run(first.id, reason="the disk is full")
        hub.plan.skip(second.id, reason="nobody is here")

        assert hub.wait(first.id).result == f"planned at {first.planned_at:%H:%M}"
        skipped = hub.executions.get(second.id)
        assert (skipped.status, skipped.reason) == ("skipped", "nobody is here")


def test_a_helper_is_disabled_and_enabled_without_a_restart(running: Running) -> None:
    with running([tidy]) as hub:
        off = hub.helpers.disable("tidy", reason="holiday")
        assert (off.removed, hub.plan.upcoming()) == (12, [])

        assert hub.helpers.enable("tidy").planned == 12


def test_an_instance_has_a_schedule_and_a_payload_of_its_own(running: Running) -> None:
    with running([tidy]) as hub:
        hourly = HelperUpdate(schedules={"": Every(timedelta(hours=1))}, payload={"room": "cellar"}, has_payload=True)

        change = hub.helpers.update("tidy/cellar", hourly, create=True)

        assert change.planned == 2
        assert {execution.payload["room"] for execution in hub.plan.upcoming(helper="tidy/cellar")} == {"cellar"}


def test_a_misspelt_name_is_answered_with_the_closest_one(running: Running) -> None:
    with running([tidy]) as hub, pytest.raises(NotFound, match="Did you mean 'tidy'"):
        hub.enqueue("tiddy")
