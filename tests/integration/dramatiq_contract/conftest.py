"""A real server and a real `dramatiq.Worker`; tests are written as somebody would who knows only Dramatiq."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.model.execution import Execution
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub


@pytest.fixture
def hub(redis_url: str, hub_name: str) -> Iterator[Hub]:
    """A hub of the test's own, whose broker is Dramatiq's global one; afterwards nothing may lie about in its keys."""
    found = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub_name})
    yield found
    found.broker.stop_worker()
    strays = find_strays(found.scripts.client, found.scripts.keys)
    found.close()
    assert strays == []


@pytest.fixture
def broker(hub: Hub) -> dramatiq.Broker:
    """Dramatiq's global broker."""
    assert dramatiq.get_broker() is hub.broker
    return hub.broker


def own_actors(broker: dramatiq.Broker) -> set[str]:
    """Return the declared actors but for the hub's own helpers."""
    return {name for name in broker.get_declared_actors() if not name.startswith("helperhub.")}


@pytest.fixture
def worker(broker: dramatiq.Broker) -> Iterator[dramatiq.Worker]:
    """A worker that runs while the test does."""
    running = dramatiq.Worker(broker, worker_timeout=100, worker_threads=4)
    running.start()
    yield running
    running.stop(timeout=10_000)


@pytest.fixture
def join(hub: Hub, broker: dramatiq.Broker, worker: dramatiq.Worker) -> Callable[[], None]:
    """Waits until everything that was sent has ended, and what followed from it."""

    def join() -> None:
        before, ended = -1, 0
        # What ends in one queue may enqueue something in another that was waited for already.
        while before < ended:
            for queue_name in broker.get_declared_queues():
                broker.join(queue_name, timeout=10_000)
            worker.join()
            before, ended = ended, sum(1 for _ in hub.records.finished())

    return join


@pytest.fixture
def execution(hub: Hub) -> Callable[[dramatiq.Message[Any]], Execution]:
    """Returns what the hub says of a message."""
    return lambda message: hub.executions.get(message.message_id)
