"""What becomes of due times that nothing enqueued in time, or that nobody wants any more."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from helperhub import Every
from helperhub.model.execution import Status
from helperhub.model.helper import HelperSpec, Overlap

if TYPE_CHECKING:
    from tests.integration.scheduler.conftest import Scheduling


def test_due_time_is_enqueued_on_time_without_a_reason(scheduling: Scheduling) -> None:
    scheduling.register()
    (planned, *_) = scheduling.hub.plan.upcoming()
    assert planned.due_at is not None
    scheduling.advance(planned.due_at - scheduling.now)

    promotion = scheduling.promote()

    assert (promotion.enqueued, promotion.recorded) == (1, 0)
    execution = scheduling.hub.executions.get(planned.id)
    assert (execution.status, execution.reason, execution.planned_at) == (Status.QUEUED, "", planned.planned_at)


def test_two_schedulers_that_race_enqueue_each_of_500_due_times_once(scheduling: Scheduling) -> None:
    every_minute = {"": Every(timedelta(minutes=1))}
    specs = [HelperSpec(f"h{number}", schedules=every_minute) for number in range(100)]
    scheduling.hub.helpers.register(specs, exclusive=False)
    scheduling.advance(timedelta(minutes=5))
    before = scheduling.hub.plan.upcoming()
    due = [execution.id for execution in before if execution.due_at and execution.due_at <= scheduling.now]
    promoters = [scheduling.another(name) for name in ("a", "b")]
    ready = threading.Barrier(2)
    moved: Counter[str] = Counter()

    def race(name: str) -> None:
        ready.wait()
        for _ in range(5):
            promotion = promoters["ab".index(name)].promote()
            moved[name] += promotion.enqueued + promotion.recorded

    threads = [threading.Thread(target=race, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(due) == 500
    assert moved.total() == 500
    assert sorted(execution.id for execution in scheduling.history()) == sorted(due)


def test_due_time_of_a_helper_that_was_disabled_meanwhile_is_recorded_not_run(scheduling: Scheduling) -> None:
    """All schedulers were down; the helper was disabled, and its latest due time ran all the same."""
    scheduling.register()
    scheduling.advance(timedelta(minutes=3))
    scheduling.hub.helpers.disable("tick")

    scheduling.promote()

    history = scheduling.history()
    assert len(history) == 3
    assert {(execution.status, execution.reason) for execution in history} == {(Status.SKIPPED, "disabled")}


def test_due_time_that_a_person_asked_for_runs_though_the_helper_was_disabled(scheduling: Scheduling) -> None:
    scheduling.register()
    asked = scheduling.hub.plan.upcoming()[-1].id
    scheduling.hub.plan.run(asked, reason="now")
    scheduling.hub.helpers.disable("tick")

    scheduling.promote()

    assert scheduling.hub.executions.get(asked).status is Status.QUEUED


def test_due_time_of_a_helper_that_is_gone_is_recorded(scheduling: Scheduling) -> None:
    """It stayed in the plan for ever, and enough of them kept others from being seen."""
    scheduling.register()
    scheduling.advance(timedelta(minutes=3))
    scheduling.hub.helpers.register([], exclusive=True)

    scheduling.promote()

    history = scheduling.history()
    assert len(history) == 3
    assert {(execution.status, execution.reason) for execution in history} == {(Status.SKIPPED, "its helper is gone")}
    assert scheduling.hub.catalogue.next_due() == {}


def test_latest_missed_due_time_runs_late_and_the_others_are_skipped(scheduling: Scheduling) -> None:
    scheduling.register()
    scheduling.advance(timedelta(minutes=10))

    scheduling.promote()

    *skipped, late = scheduling.history()
    assert late.status is Status.QUEUED
    assert late.reason.startswith("missed; run late by")
    assert {execution.status for execution in skipped} == {Status.SKIPPED}
    assert len(skipped) == 9


def test_missed_due_times_past_their_expiry_expire(scheduling: Scheduling) -> None:
    scheduling.register(expires_after=timedelta(minutes=2))
    scheduling.advance(timedelta(minutes=10))

    scheduling.promote()

    counts = Counter(execution.status for execution in scheduling.history())
    assert counts[Status.EXPIRED] in (7, 8)
    assert counts[Status.QUEUED] == 1
    assert counts.total() == 10


def test_outage_of_an_hour_of_a_schedule_for_each_second_is_followed_by_one_execution(scheduling: Scheduling) -> None:
    """Due times were judged a thousand at a time: each thousand ran its latest."""
    scheduling.register(schedules={"": Every(timedelta(seconds=1))})
    scheduling.advance(timedelta(hours=1))

    scheduling.promote()

    counts = Counter(execution.status for execution in scheduling.history())
    assert counts[Status.QUEUED] == 1
    assert counts[Status.SKIPPED] == counts.total() - 1 >= 3_599


def test_outage_longer_than_the_look_ahead_is_followed_by_one_execution(scheduling: Scheduling) -> None:
    """What was planned before the outage and what was planned after it each ran its latest, if promotion came first."""
    scheduling.register(expires_after=timedelta(hours=6), overlap=Overlap.ALLOW)
    scheduling.advance(timedelta(hours=3))

    scheduling.promote()
    scheduling.hub._planner.plan()
    scheduling.promote()

    counts = Counter(execution.status for execution in scheduling.history())
    assert counts[Status.QUEUED] == 1
    assert counts[Status.SKIPPED] == counts.total() - 1 >= 178
