"""Memory runs short: new work is refused, running work ends, and what was refused goes in later."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import dramatiq
import pytest
import redis
from tests.integration.services.targets import target

from helperhub import Every, Hub, helper
from helperhub.errors import StoreRefused
from helperhub.model.execution import Status
from helperhub.store.scripts import Gone
from helperhub.testing import ServerForTests, find_strays
from helperhub.testing.running import build_hub, scheduling, working

WaitUntil = Callable[..., None]
SOON = timedelta(seconds=10)


@helper
def job(ctx: object) -> str:
    return "done"


@helper(schedule=Every(timedelta(seconds=1)), overlap="allow")
def tick(ctx: object) -> None: ...


@pytest.fixture
def server() -> Iterator[ServerForTests]:
    with ServerForTests(arguments=("--maxmemory", "100mb")) as server:
        yield server


@pytest.fixture
def operator(server: ServerForTests) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def hub(server: ServerForTests) -> Iterator[Hub]:
    found = build_hub([job, tick], url=server.url, settings={})
    yield found
    found.broker.stop_worker()
    strays = find_strays(found.scripts.client, found.scripts.keys)
    found.close()
    assert strays == []


def fill(operator: redis.Redis, share: float) -> None:
    """Set maxmemory so that this share of it is used; above 1 the server refuses by itself."""
    operator.config_set("maxmemory", int(operator.info("memory")["used_memory"] / share))


def refused(hub: Hub) -> bool:
    try:
        hub.enqueue("job")
    except StoreRefused:
        return True
    return False


def test_new_work_is_refused_above_the_share_with_what_to_do(
    hub: Hub, operator: redis.Redis, wait_until: WaitUntil
) -> None:
    hub.register()
    hub.enqueue("job")
    fill(operator, 0.85)
    wait_until(lambda: refused(hub))

    with pytest.raises(StoreRefused) as caught:
        hub.enqueue_many([("job", None)])

    assert "of its maxmemory new work is refused" in caught.value.message
    assert "80%" in caught.value.message
    assert "drain" in caught.value.hint


def test_replay_plan_and_overrides_are_refused_and_disabling_is_not(
    hub: Hub, operator: redis.Redis, wait_until: WaitUntil
) -> None:
    hub.register()
    with working(hub):
        done = hub.wait(hub.enqueue("job"), timeout=SOON)
    fill(operator, 0.85)
    wait_until(lambda: refused(hub))

    for adds in (
        lambda: hub.executions.replay([done.id]),
        lambda: hub.helpers.enable("tick"),
        hub._planner.plan,
    ):
        with pytest.raises(StoreRefused):
            adds()
    assert not hub.helpers.disable("tick").enabled


@pytest.mark.parametrize("share", [0.85, 1.5], ids=["above the share", "above maxmemory"])
def test_running_work_ends_queues_drain_and_new_work_goes_in_again(
    hub: Hub, operator: redis.Redis, wait_until: WaitUntil, share: float
) -> None:
    release = threading.Event()

    @dramatiq.actor(broker=hub.broker)
    def hold() -> str:
        release.wait(10)
        return "done"

    @dramatiq.actor(broker=hub.broker, max_retries=3, min_backoff=1)
    def stumble() -> None:
        if len(seen := attempts.setdefault("stumble", [])) < 2:
            seen.append(1)
            raise RuntimeError

    attempts: dict[str, list[int]] = {}
    hub.register()
    with working(hub, threads=2):
        running = [hold.send().message_id for _ in range(2)]
        wait_until(lambda: all(hub.executions.get(id_).status is Status.RUNNING for id_ in running))
        waiting = [hub.enqueue("job") for _ in range(50)] + [stumble.send().message_id]
        fill(operator, share)
        wait_until(lambda: refused(hub))
        release.set()

        ends = [hub.wait(id_, timeout=SOON).status for id_ in [*running, *waiting]]

        assert ends == [Status.SUCCESS] * 53
        operator.config_set("maxmemory", "100mb")
        wait_until(lambda: not refused(hub))


def test_whoever_may_do_anything_else_may_do_it_at_maxmemory(
    hub: Hub, operator: redis.Redis, wait_until: WaitUntil
) -> None:
    hub.register()
    kept = [hub.enqueue("job", delay=timedelta(hours=1)) for _ in range(3)]
    hub.scripts.join("w1", lease_ms=30_000, about={"queues": "default"})
    hub.enqueue("job")
    fill(operator, 1.5)
    wait_until(lambda: refused(hub))

    claimed = hub.scripts.claim("w1", ["default"], number=1, want=5, will_wait=True, waited=False)
    hub.scripts.renew(["w1"], lease_ms=30_000)
    reaped = hub.scripts.reap([Gone("w1", "exit code 0", suspects=())])
    hub.executions.cancel(kept[0], reason="")
    purged = hub.queues.purge("default")

    assert len(claimed.records) == 1
    assert [(found.worker, found.handed_out) for found in reaped] == [("w1", 1)]
    assert purged == 3


def test_due_work_stays_in_the_plan_and_is_enqueued_when_there_is_room(
    hub: Hub, operator: redis.Redis, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    hub.register()
    fill(operator, 0.85)
    with caplog.at_level(logging.INFO), scheduling(hub):
        wait_until(lambda: any(record.message == "scheduler_delayed" for record in caplog.records))
        wait_until(lambda: [row for row in hub.plan.upcoming(limit=1) if hub.plan.get(row.id)])
        overdue = hub.plan.upcoming(limit=1)[0].id
        operator.config_set("maxmemory", "100mb")

        wait_until(lambda: hub.records.get(overdue) is not None)

    told = [getattr(record, "work", "") for record in caplog.records if record.message == "scheduler_delayed"]
    assert len(told) == len(set(told))
    assert hub.plan.get(overdue) is None


def test_scheduler_that_starts_while_memory_is_short_registers_when_there_is_room(
    hub: Hub, operator: redis.Redis, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    fill(operator, 0.85)

    assert not hub.register_if_room()

    clock = hub.build_clock(registered=False)
    thread = threading.Thread(target=clock.run)
    with caplog.at_level(logging.WARNING):
        thread.start()
        wait_until(lambda: any(getattr(record, "work", "") == "register" for record in caplog.records))
        operator.config_set("maxmemory", "100mb")
        wait_until(hub.helpers.all, seconds=15)
    clock.stop()
    thread.join()


def test_looking_at_memory_costs_one_question_a_second(hub: Hub, operator: redis.Redis) -> None:
    hub.register()
    before = operator.info("commandstats")["cmdstat_info"]["calls"]

    for _ in range(200):
        hub.enqueue("job")

    assert operator.info("commandstats")["cmdstat_info"]["calls"] - before <= 4


def test_memory_alert_is_told_although_no_execution_can_be_enqueued(
    server: ServerForTests, operator: redis.Redis
) -> None:
    with target() as there:
        settings = {"HELPERHUB_ALERTS__WEBHOOKS": there.url, "HELPERHUB_CALLBACKS__ALLOW": "127.0.0.1"}
        hub = build_hub([job], url=server.url, settings=settings)
        with working(hub):
            watch = hub.build_alert_watch()
            for share in (0.7, 0.95, 1.05):
                fill(operator, share)
                watch.turn()
            (alert,) = hub.alerts.all()
            assert (alert["rule"], alert["told_at"] is not None) == ("redis_memory", True)
            assert hub.alerts.acknowledge(alert["id"])["state"] == "acknowledged"
        fill(operator, 0.1)
        hub.close()

    assert [request.event["data"]["rule"] for request in there.requests] == ["redis_memory"]
