"""The look-ahead: two hours of due times, visible, extended, and never planned twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from helperhub import Cron, Daily, Every, Once
from helperhub.model.execution import Status
from helperhub.model.identity import parse_planned_id
from helperhub.model.instant import epoch_ms
from helperhub.services.helpers import HelperUpdate

if TYPE_CHECKING:
    from tests.integration.scheduler.conftest import Scheduling


def plan(scheduling: Scheduling) -> int:
    return scheduling.hub.helpers.planner.plan()


def test_two_hours_are_planned_and_visible(scheduling: Scheduling) -> None:
    scheduling.register()

    upcoming = scheduling.hub.plan.upcoming()

    assert len(upcoming) == 120
    assert {execution.status for execution in upcoming} == {Status.PLANNED}
    assert [execution.due_at for execution in upcoming] == sorted(
        execution.due_at for execution in upcoming if execution.due_at
    )


def test_planning_again_changes_nothing_until_time_has_passed(scheduling: Scheduling) -> None:
    scheduling.register()
    before = [execution.id for execution in scheduling.hub.plan.upcoming()]

    assert plan(scheduling) == 0
    assert [execution.id for execution in scheduling.hub.plan.upcoming()] == before

    scheduling.advance(timedelta(minutes=10))

    assert plan(scheduling) == 10


def test_schedules_of_one_helper_are_planned_side_by_side(scheduling: Scheduling) -> None:
    schedules = {"often": Every(timedelta(minutes=10)), "seldom": Every(timedelta(hours=1))}
    scheduling.register(schedules=schedules)

    names = [parse_planned_id(execution.id) for execution in scheduling.hub.plan.upcoming()]

    assert sum(found is not None and found.schedule == "often" for found in names) == 12
    assert sum(found is not None and found.schedule == "seldom" for found in names) == 2


def test_disabled_helper_isnt_planned(scheduling: Scheduling) -> None:
    scheduling.register(enabled=False)
    scheduling.advance(timedelta(hours=1))

    assert plan(scheduling) == 0
    assert scheduling.hub.plan.upcoming() == []


def test_nothing_of_the_time_that_a_helper_was_disabled_is_made_up_for(scheduling: Scheduling) -> None:
    scheduling.register()
    scheduling.hub.helpers.disable("tick")
    scheduling.advance(timedelta(hours=5))

    change = scheduling.hub.helpers.enable("tick")
    scheduling.promote()

    assert change.planned == 120
    assert scheduling.history() == []


def test_once_in_the_past_isnt_run(scheduling: Scheduling) -> None:
    scheduling.register(schedules={"": Once(scheduling.now - timedelta(hours=1))})

    scheduling.promote()

    assert scheduling.hub.plan.upcoming() == []
    assert scheduling.history() == []


def test_once_of_a_moment_ago_runs_once(scheduling: Scheduling) -> None:
    """A crontab's @reboot is just past when its helper is registered."""
    scheduling.register(schedules={"": Once(scheduling.now - timedelta(seconds=2))})

    for _ in range(2):
        scheduling.promote()
        scheduling.hub.helpers.disable("tick")
        scheduling.hub.helpers.enable("tick")

    (execution,) = scheduling.history()
    assert execution.status is Status.QUEUED


def test_once_beyond_the_window_is_planned_when_its_time_comes_near(scheduling: Scheduling) -> None:
    at = scheduling.now + timedelta(hours=3)
    scheduling.register(schedules={"": Once(at)})
    assert scheduling.hub.plan.upcoming() == []

    scheduling.advance(timedelta(hours=2))
    plan(scheduling)

    (planned,) = scheduling.hub.plan.upcoming()
    assert planned.due_at == at.replace(microsecond=0)


@pytest.mark.parametrize(
    ("schedule", "night", "due"),
    [
        # 2027-03-28, 02:00-03:00 doesn't exist in Berlin: right after the gap.
        (Daily("02:30", tz="Europe/Berlin"), datetime(2027, 3, 28, tzinfo=UTC), "2027-03-28T01:00"),
        # 2027-10-31, 02:30 comes twice: the first.
        (Daily("02:30", tz="Europe/Berlin"), datetime(2027, 10, 30, 23, tzinfo=UTC), "2027-10-31T00:30"),
        (Cron("30 2 * * *", tz="Europe/Berlin"), datetime(2027, 10, 30, 23, tzinfo=UTC), "2027-10-31T00:30"),
    ],
)
def test_day_of_a_change_of_the_clock_has_one_due_time(
    scheduling: Scheduling, schedule: Daily | Cron, night: datetime, due: str
) -> None:
    scheduling.advance(night - scheduling.now)
    scheduling.register(schedules={"": schedule})
    found = [execution.due_at for execution in scheduling.hub.plan.upcoming()]
    scheduling.advance(timedelta(hours=2))
    plan(scheduling)

    found += [execution.due_at for execution in scheduling.hub.plan.upcoming() if execution.due_at not in found]

    assert [at.isoformat()[:16] for at in found if at] == [due]


def test_older_missed_due_times_share_a_row_with_their_count_and_no_time_is_lost(scheduling: Scheduling) -> None:
    scheduling.register()
    scheduling.promote()
    scheduling.advance(timedelta(hours=6))

    plan(scheduling)
    scheduling.promote()

    history = scheduling.history()
    assert sum(execution.count for execution in history) == 360
    assert [execution.count for execution in history if execution.count > 1] == [140]
    assert sum(execution.status is Status.QUEUED for execution in history) == 1


def test_state_that_cant_be_read_costs_the_other_helpers_nothing(scheduling: Scheduling) -> None:
    """Nothing was planned for anybody any more."""
    scheduling.register("broken")
    scheduling.register("good")
    keys = scheduling.hub.scripts.keys
    scheduling.hub.scripts.client.hset(keys.at("planned"), "broken", "garbage")
    scheduling.advance(timedelta(minutes=10))

    assert plan(scheduling) == 10


def intervals_until_planned(scheduling: Scheduling) -> int:
    """Return how many intervals of two seconds lie before where each helper's plan ends, summed up."""
    rows = scheduling.hub.catalogue.read().rows.values()
    return sum(int(row.planned.split("|")[1]) // 2_000 for row in rows)


def test_many_rapid_helpers_are_planned_in_calls_of_bounded_length(scheduling: Scheduling) -> None:
    """Fifty helpers of a due time each second held Redis for a second."""
    for number in range(5):
        scheduling.register(f"h{number}", schedules={"": Every(timedelta(seconds=2))})
    scheduling.advance(timedelta(hours=2))
    client = scheduling.hub.scripts.client
    before = intervals_until_planned(scheduling)
    client.config_resetstat()

    planned = plan(scheduling)

    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] >= 5
    # Two hours of each, and to the second what time went on meanwhile.
    assert planned == intervals_until_planned(scheduling) - before >= 5 * 3_600


def test_moved_execution_keeps_its_identity(scheduling: Scheduling) -> None:
    scheduling.register()
    planned = scheduling.hub.plan.upcoming()[0]
    to = scheduling.now + timedelta(minutes=30, seconds=30)
    scheduling.hub.plan.move(planned.id, to=to, reason="later")
    scheduling.advance(timedelta(minutes=30))
    scheduling.promote()
    assert planned.id not in {execution.id for execution in scheduling.history()}
    scheduling.advance(timedelta(minutes=1))
    scheduling.promote()

    moved = scheduling.hub.executions.get(planned.id)

    assert moved.status in (Status.QUEUED, Status.SKIPPED)
    assert moved.planned_at == planned.planned_at
    assert moved.due_at is not None
    assert epoch_ms(moved.due_at) == epoch_ms(to)


def test_new_schedule_replaces_what_was_planned(scheduling: Scheduling) -> None:
    scheduling.register()

    change = scheduling.hub.helpers.update("tick", HelperUpdate(schedules={"": Every(timedelta(minutes=30))}))

    assert (change.removed, change.planned) == (120, 4)
