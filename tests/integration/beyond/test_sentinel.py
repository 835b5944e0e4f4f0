"""Sentinel names another primary: work goes on by itself, and what replicas had is not lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import dramatiq
import pytest

from helperhub import Every, Hub, helper
from helperhub.errors import StoreError
from helperhub.model.execution import Status
from helperhub.testing import SentinelForTests
from helperhub.testing.running import build_hub, scheduling, working

WaitUntil = Callable[..., None]
LONG = timedelta(seconds=20)


@helper(schedule=Every(timedelta(seconds=1)), overlap="allow")
def tick(ctx: object) -> None: ...


@pytest.fixture
def servers() -> Iterator[SentinelForTests]:
    with SentinelForTests() as servers:
        yield servers


@pytest.fixture
def hub(servers: SentinelForTests) -> Iterator[Hub]:
    # An execution counts as accepted once the replica has it.
    found = build_hub([tick], url=servers.url, settings={"HELPERHUB_REPLICAS": "1"})
    found.register()
    yield found
    found.close()


@pytest.mark.timeout(90)
def test_failover_under_load_loses_nothing_that_was_accepted(
    hub: Hub, servers: SentinelForTests, wait_until: WaitUntil
) -> None:
    starts: Counter[int] = Counter()

    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None:
        starts[number] += 1

    accepted: list[tuple[int, str]] = []
    done = threading.Event()

    def send() -> None:
        number = 0
        while not done.is_set():
            number += 1
            try:
                # There is no replica left after the failover: then it fails, and may be in.
                message = note.message(number)
                accepted.append((number, hub.broker.enqueue(message).message_id))
            except StoreError:
                done.wait(0.05)

    with working(hub), scheduling(hub):
        sender = threading.Thread(target=send)
        sender.start()
        wait_until(lambda: len(accepted) > 300)
        servers.fail_over()
        done.set()
        sender.join()
        known = set(_ticks(hub))
        hub.broker.join("default", timeout=20_000)
        wait_until(lambda: set(_ticks(hub)) - known, seconds=20)

        lost = [id_ for _, id_ in accepted if hub.records.get(id_) is None]
        unrun = [number for number, _ in accepted if not starts[number]]

    assert len(accepted) > 300
    assert lost == []
    assert unrun == []


def _ticks(hub: Hub) -> list[str]:
    return [found.id for found in hub.records.finished() if found.helper == "tick" and found.status is Status.SUCCESS]


@pytest.mark.timeout(60)
def test_idle_worker_hears_the_bell_of_the_new_primary(hub: Hub, servers: SentinelForTests) -> None:
    plain = build_hub((), url=servers.url, settings={"HELPERHUB_HUB": hub.settings.hub})

    @dramatiq.actor(broker=plain.broker)
    def echo(word: str) -> str:
        return word

    with working(plain):
        first = plain.wait(plain.enqueue("echo", "before", wait=LONG), timeout=LONG)
        servers.fail_over()
        second = plain.wait(plain.enqueue("echo", "after", wait=LONG), timeout=LONG)
    plain.close()

    assert (first.status, second.status) == (Status.SUCCESS, Status.SUCCESS)


def test_sentinel_that_is_down_costs_nothing(servers: SentinelForTests) -> None:
    servers.sentinels[0].kill()
    hub = build_hub((), url=servers.url, settings={})

    hub.check_server()

    assert hub.queues.all() == []
    hub.close()
