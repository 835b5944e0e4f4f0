"""Producers choose: fail at once, or wait until Redis can take it; nothing is enqueued twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import dramatiq
import pytest
import redis

from helperhub import Hub, helper
from helperhub.errors import QueueFull, StoreRefused, StoreUnavailable
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub, working

WaitUntil = Callable[..., None]
LONG = timedelta(seconds=20)
NOW = timedelta(0)


@helper(priority=1)
def job(ctx: object) -> str:
    return "done"


@pytest.fixture
def variables() -> dict[str, str]:
    return {}


@pytest.fixture
def server() -> Iterator[ServerForTests]:
    with ServerForTests(aof=True) as server:
        yield server


@pytest.fixture
def hub(server: ServerForTests, variables: dict[str, str]) -> Iterator[Hub]:
    found = build_hub([job], url=server.url, settings=variables)
    found.register()
    yield found
    found.close()


def later(seconds: float, act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_without_waiting_an_absent_redis_fails_at_once(hub: Hub, server: ServerForTests) -> None:
    server.stop()
    began = time.monotonic()

    with pytest.raises(StoreUnavailable):
        hub.enqueue("job")

    assert time.monotonic() - began < 3
    server.start()


def test_waiting_call_goes_in_once_when_redis_is_back(hub: Hub, server: ServerForTests) -> None:
    server.stop()
    entered: list[str] = []
    waiting = threading.Thread(target=lambda: entered.append(hub.enqueue("job", wait=LONG)))
    waiting.start()
    time.sleep(0.3)  # the outage has a length
    server.start()  # by the main thread, which the server must not outlive
    waiting.join()

    (state,) = [queue for queue in hub.queues.all() if queue.name == "default"]
    assert (state.ready, state.totals["enqueued"]) == (1, 1)
    assert hub.executions.get(entered[0]).priority == 1


def test_process_that_starts_before_redis_waits_and_knows_its_helpers_priority(
    hub: Hub, server: ServerForTests
) -> None:
    """With nothing known of the catalogue the helper's own priority and expiry were left out."""
    fresh = build_hub([job], url=server.url, settings={"HELPERHUB_HUB": hub.settings.hub})
    server.stop()
    entered: list[str] = []
    waiting = threading.Thread(target=lambda: entered.append(fresh.enqueue("job", wait=LONG)))
    waiting.start()
    time.sleep(0.3)
    server.start()
    waiting.join()

    assert fresh.executions.get(entered[0]).priority == 1
    fresh.close()


def test_waiting_ends_at_its_time(hub: Hub, server: ServerForTests) -> None:
    server.stop()
    began = time.monotonic()

    with pytest.raises(StoreUnavailable):
        hub.enqueue("job", wait=timedelta(seconds=1))

    assert 1 <= time.monotonic() - began < 5
    server.start()


@pytest.mark.parametrize(
    "variables", [{"HELPERHUB_ENQUEUE__WHEN_REFUSED": "wait", "HELPERHUB_ENQUEUE__WAIT": "15s"}], ids=["wait"]
)
def test_setting_makes_every_producer_wait_unless_the_call_says_otherwise(hub: Hub, server: ServerForTests) -> None:
    @dramatiq.actor(broker=hub.broker)
    def plain() -> None: ...

    plain.send()
    with redis.Redis.from_url(server.url) as operator:
        used = operator.info("memory")["used_memory"]
        operator.config_set("maxmemory", used)
        with pytest.raises(StoreRefused):
            hub.enqueue("job", wait=NOW)
        timer = later(0.5, lambda: operator.config_set("maxmemory", used * 10))
        plain.send()
        timer.join()

    assert [queue.ready for queue in hub.queues.all()] == [2]


@pytest.mark.parametrize("variables", [{"HELPERHUB_QUEUES__DEFAULT__MAX_DEPTH": "10"}], ids=["depth 10"])
def test_call_of_many_waits_for_a_full_queue_and_each_goes_in_once(hub: Hub) -> None:
    ids: list[str] = []
    sending = threading.Thread(target=lambda: ids.extend(hub.enqueue_many([("job", None)] * 60, wait=LONG)))
    sending.start()
    with working(hub):
        sending.join()
        hub.broker.join("default", timeout=10_000)

    assert len(set(ids)) == 60
    (state,) = hub.queues.all()
    assert (state.totals["enqueued"], state.totals["success"]) == (60, 60)


@pytest.mark.parametrize("variables", [{"HELPERHUB_QUEUES__DEFAULT__MAX_DEPTH": "10"}], ids=["depth 10"])
def test_queue_that_stays_full_says_how_many_went_in(hub: Hub) -> None:
    with pytest.raises(QueueFull, match="10 of this call"):
        hub.enqueue_many([("job", None)] * 12, wait=timedelta(seconds=0.3))


def test_delay_counts_from_the_call_and_not_from_redis_being_back(hub: Hub, server: ServerForTests) -> None:
    server.stop()
    entered: list[str] = []
    asked = time.time()
    waiting = threading.Thread(target=lambda: entered.append(hub.enqueue("job", delay=timedelta(minutes=1), wait=LONG)))
    waiting.start()
    time.sleep(1.5)
    server.start()
    waiting.join()

    due = hub.executions.get(entered[0]).due_at
    assert due is not None
    assert abs(due.timestamp() - asked - 60) < 1
