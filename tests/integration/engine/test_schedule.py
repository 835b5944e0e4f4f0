"""From spec to queue: the look-ahead, what people do with it, and what was missed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.engine.conftest import Hand

from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.execution import Status
from helperhub.model.helper import HelperSpec, Overlap
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.model.schedule import Daily, Every, Once, Schedule
from helperhub.scheduler.promoter import Promoter
from helperhub.scheduler.records import RecordOf
from helperhub.services.executions import ExecutionFilter
from helperhub.services.helpers import HelperUpdate
from helperhub.store.catalogue import Catalogue

MINUTELY = Every(timedelta(minutes=1))
EVERYTHING = ExecutionFilter()


def register(hub: Hub, *specs: HelperSpec) -> int:
    return hub.helpers.register(specs, exclusive=False).planned


def spec(name: str = "tick", schedule: Schedule = MINUTELY, **fields: object) -> HelperSpec:
    fields.setdefault("expires_after", timedelta(hours=1))
    return HelperSpec(name=name, schedules={"": schedule}, **fields)  # type: ignore[arg-type]


def promoter(hub: Hub, name: str = "s1") -> Promoter:
    record_of = RecordOf(lambda queue: hub.rules_of(queue).max_attempts, hub.envelopes)
    return Promoter(hub.scripts, hub.catalogue, scheduler=name, grace=timedelta(seconds=5), record_of=record_of)


def now(hub: Hub) -> datetime:
    return from_ms(hub.scripts.due(limit=1).now_ms)


def set_planned_until(hub: Hub, helper: str, at: datetime) -> None:
    """Make the plan look as it did when the last scheduler stopped at ``at``."""
    keys, client = hub.scripts.keys, hub.scripts.client
    client.hset(keys.at("planned"), helper, f"1|{epoch_ms(at)}|{epoch_ms(at) - 1}")
    client.delete(keys.at("plan", helper))
    client.zrem(keys.at("plan"), helper)


def replan(hub: Hub) -> None:
    hub._planner.plan()


def test_window_of_two_hours_is_planned_and_planning_again_changes_nothing(hub: Hub) -> None:
    planned = register(hub, spec())

    again = hub._planner.plan()
    upcoming = hub.plan.upcoming()

    assert (planned, again, len(upcoming)) == (120, 0, 120)
    assert upcoming[0].id == f"tick@{upcoming[0].planned_at:%Y%m%dT%H%M%SZ}"
    assert {execution.status for execution in upcoming} == {Status.PLANNED}


def test_plan_is_in_order_of_time_then_priority(hub: Hub) -> None:
    register(hub, spec("low", priority=5), spec("first", priority=1))

    assert [execution.helper for execution in hub.plan.upcoming(limit=4)] == ["first", "low", "first", "low"]


def test_first_planned_are_listed_even_if_one_comes_due_between_two_reads(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``plan list --limit 1`` sometimes showed nothing of a full plan."""
    register(hub, spec(schedule=Every(timedelta(seconds=30))))
    first, second = (execution.id for execution in hub.plan.upcoming(limit=2))
    read = Catalogue.first_due

    def read_and_lose_one(catalogue: Catalogue, most: int | None = None) -> list[tuple[str, int]]:
        found = read(catalogue, most)
        if hub.plan.get(first):
            hub.plan.skip(first, reason="as if it came due just now")
        return found

    monkeypatch.setattr(Catalogue, "first_due", read_and_lose_one)

    assert [execution.id for execution in hub.plan.upcoming(limit=1)] == [second]


def test_disable_and_enable_answer_how_many_due_times_changed(hub: Hub) -> None:
    register(hub, spec())

    off = hub.helpers.disable("tick", reason="holiday")
    planned_while_off = hub._planner.plan()
    on = hub.helpers.enable("tick")

    assert (off.removed, off.enabled, planned_while_off) == (120, False, 0)
    assert (on.planned, on.enabled) == (120, True)


def test_new_schedule_is_planned_at_once_and_survives_an_upgrade_of_the_plugin(hub: Hub) -> None:
    register(hub, spec(plugin="p", plugin_version="1.0"))

    change = hub.helpers.update("tick", HelperUpdate(schedules={"": Every(timedelta(minutes=10))}, priority=2))
    register(hub, spec(plugin="p", plugin_version="1.1", description="newer"))

    row = hub.helpers.row("tick")
    assert (change.removed, change.planned) == (120, 12)
    assert (row.spec.priority, row.spec.description, len(hub.plan.upcoming())) == (2, "newer", 12)


def test_lower_version_never_overwrites_a_higher_ones_spec(hub: Hub) -> None:
    register(hub, spec(plugin="p", plugin_version="1.10", description="new"))

    register(hub, spec(plugin="p", plugin_version="1.9", description="old"))

    assert hub.helpers.row("tick").spec.description == "new"


def test_instance_made_at_run_time_has_a_schedule_of_its_own(hub: Hub) -> None:
    register(hub, HelperSpec(name="digest"))
    update = HelperUpdate(schedules={"": Every(timedelta(hours=1))}, payload={"user": "ann"}, has_payload=True)

    change = hub.helpers.update("digest/ann", update, create=True)

    assert change.planned == 2
    assert {execution.payload["user"] for execution in hub.plan.upcoming()} == {"ann"}
    with pytest.raises(NotFound, match="Did you mean 'digest/ann'"):
        hub.helpers.show("digest/anna")


def test_skipped_due_time_is_recorded_and_never_comes_back(hub: Hub) -> None:
    register(hub, spec())
    first = hub.plan.upcoming(limit=1)[0].id

    hub.plan.skip(first, reason="maintenance")
    hub.helpers.disable("tick")
    hub.helpers.enable("tick")

    assert first not in {execution.id for execution in hub.plan.upcoming()}
    skipped = hub.executions.get(first)
    assert (skipped.status, skipped.reason) == (Status.SKIPPED, "maintenance")


def test_moved_due_time_keeps_its_id_and_its_new_time_through_replanning(hub: Hub) -> None:
    register(hub, spec(schedule=Every(timedelta(hours=1))))
    first = hub.plan.upcoming(limit=1)[0]
    later = now(hub).replace(microsecond=0) + timedelta(minutes=90, seconds=7)

    hub.plan.move(first.id, to=later, reason="after the backup")
    hub.helpers.disable("tick")
    hub.helpers.enable("tick")

    moved = hub.plan.get(first.id)
    assert moved is not None
    assert (moved.due_at, moved.planned_at) == (later, first.planned_at)


def test_run_now_enqueues_the_planned_execution_under_its_own_id(hub: Hub, hand: Hand) -> None:
    register(hub, spec())
    last = hub.plan.upcoming()[-1].id

    hub.plan.run(last, reason="now please")
    promoter(hub).promote()
    hub.helpers.disable("tick")
    hub.helpers.enable("tick")

    assert hand.claim_ids() == [last]
    assert last not in {execution.id for execution in hub.plan.upcoming()}


def test_due_time_is_enqueued_once_by_any_number_of_schedulers(hub: Hub) -> None:
    register(hub, *(spec(f"h{number}", schedule=Every(timedelta(hours=1))) for number in range(150)))
    for execution in hub.plan.upcoming(limit=150):
        hub.plan.run(execution.id, reason="all at once")
    counts: list[int] = []

    def race(name: str) -> None:
        counts.append(promoter(hub, name).promote().enqueued)

    threads = [threading.Thread(target=race, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 150
    assert [queue.totals["enqueued"] for queue in hub.queues.all()] == [150]


def test_missed_times_end_in_one_recorded_state_each_and_the_latest_runs_late(hub: Hub, hand: Hand) -> None:
    register(hub, spec(schedule=Every(timedelta(minutes=20)), expires_after=timedelta(minutes=50)))
    stopped = now(hub) - timedelta(hours=3)
    set_planned_until(hub, "tick", stopped)

    replan(hub)
    promoter(hub).promote()

    found = hub.executions.find(EVERYTHING, limit=100)
    statuses = sorted(execution.status.value for execution in found)
    assert statuses.count("queued") == 1
    assert statuses.count("expired") + statuses.count("skipped") == len(found) - 1 == 8
    late = [execution for execution in found if execution.status is Status.QUEUED]
    assert late[0].planned_at == max(execution.planned_at for execution in found if execution.planned_at)
    assert hand.claim_ids() == [late[0].id]


def test_nothing_that_was_missed_is_recorded_twice(hub: Hub) -> None:
    register(hub, spec(schedule=Every(timedelta(minutes=20))))
    stopped = now(hub) - timedelta(hours=3)
    for _ in range(2):
        set_planned_until(hub, "tick", stopped)
        replan(hub)
        promoter(hub).promote()

    assert len(hub.executions.find(EVERYTHING, limit=100)) == 9


def test_three_hours_of_a_rapid_schedule_share_one_row(hub: Hub) -> None:
    register(hub, spec(schedule=Every(timedelta(seconds=1))))
    set_planned_until(hub, "tick", now(hub) - timedelta(hours=3))

    replan(hub)
    while promoter(hub).promote().recorded:
        pass

    found = hub.executions.find(EVERYTHING, limit=1000)
    shared = [execution for execution in found if execution.count > 1]
    assert len(found) <= 103
    assert [execution.count > 10_000 for execution in shared] == [True]
    assert "missed while no scheduler ran" in shared[0].reason


def test_overlapping_execution_is_skipped_and_names_the_one_in_its_way(hub: Hub, hand: Hand) -> None:
    register(hub, spec(overlap=Overlap.SKIP))
    first, second = (execution.id for execution in hub.plan.upcoming(limit=2))
    for id_ in (first, second):
        hub.plan.run(id_, reason="")
        promoter(hub).promote()

    assert hand.claim_ids() == [first]
    assert hub.executions.get(second).reason == f"overlap: blocked by {first}"


def test_queued_overlap_waits_for_the_one_before(hub: Hub, hand: Hand) -> None:
    register(hub, spec(overlap=Overlap.QUEUE))
    ids = [execution.id for execution in hub.plan.upcoming(limit=3)]
    for id_ in ids:
        hub.plan.run(id_, reason="")
        promoter(hub).promote()

    for id_ in ids:
        assert hand.claim_ids() == [id_]
        hand.settle(id_, "done")
    assert hub.executions.find(ExecutionFilter(statuses=frozenset({Status.QUEUED})), limit=9) == []


def test_nothing_before_registration_is_planned(hub: Hub) -> None:
    past = Once(datetime(2020, 1, 1, tzinfo=UTC))

    assert register(hub, spec("past", past), spec("far", Daily("00:00"), enabled=False)) == 0


def test_helper_whose_plugin_is_gone_leaves_the_plan_but_not_the_history(hub: Hub, hand: Hand) -> None:
    register(hub, spec("gone"), spec("stays"))
    hub.plan.run(hub.plan.upcoming(limit=1)[0].id, reason="")
    promoter(hub).promote()
    (ran,) = hand.claim_ids()
    hand.settle(ran, "done")

    hub.helpers.register([spec("stays")], exclusive=True)

    assert {execution.helper for execution in hub.plan.upcoming()} == {"stays"}
    assert hub.executions.get(ran).status is Status.SUCCESS


def test_clock_enqueues_what_is_due_and_ends_when_asked(hub: Hub) -> None:
    register(hub, spec(schedule=Every(timedelta(seconds=1)), overlap=Overlap.ALLOW))
    clock = hub.build_clock()
    thread = threading.Thread(target=clock.run)
    thread.start()

    first = hub.plan.upcoming(limit=1)[0].id
    while (found := hub.records.get(first)) is None:
        assert thread.is_alive()
        thread.join(0.01)
    clock.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert found.enqueued_at is not None
    assert found.due_at is not None
    # A second is far more than it takes; the bench tells how long it does take.
    assert timedelta(0) <= found.enqueued_at - found.due_at < timedelta(seconds=1)
