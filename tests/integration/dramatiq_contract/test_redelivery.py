"""A worker that lost its lease while it ran something: it runs again, and what follows from it follows once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.store.scripts import Gone

Join = Callable[[], None]


@pytest.fixture
def heard(broker: dramatiq.Broker) -> list[Any]:
    """What the actor ``hear`` was sent last."""
    found: list[Any] = []

    @dramatiq.actor
    def hear(*args: Any) -> None:
        found.append(args[-1])

    return found


def hear() -> dramatiq.Actor[..., Any]:
    return dramatiq.get_broker().get_actor("hear")


def twice(hub: Hub, **options: Any) -> tuple[dramatiq.Actor[..., Any], list[int]]:
    """Return an actor whose first delivery loses its lease before it returns, and the list of its runs."""
    runs: list[int] = []
    second = threading.Event()

    @dramatiq.actor(queue_name="default", **options)
    def work() -> int:
        runs.append(1)
        run = len(runs)
        if run == 1:
            hub.scripts.reap([Gone(hub.worker_id, "it was silent", ())])
            assert second.wait(10)
        second.set()
        return run

    return work, runs


def test_pipeline_goes_on_once(hub: Hub, heard: list[Any], join: Join) -> None:
    work, runs = twice(hub)

    (work.message() | hear().message()).run()
    join()

    assert (len(runs), heard) == (2, [2])


def test_callback_is_called_once(hub: Hub, heard: list[Any], join: Join) -> None:
    work, runs = twice(hub, on_success="hear")

    work.send()
    join()

    assert (len(runs), heard) == (2, [2])


def test_member_of_a_group_counts_once(hub: Hub, heard: list[Any], join: Join) -> None:
    """Dramatiq's barrier would be passed by the second delivery, before the other member was done."""
    work, runs = twice(hub)
    waits = threading.Event()
    seen: list[int] = []

    @dramatiq.actor(queue_name="later")
    def opens() -> None:
        """Do nothing: a queue is one once something has been in it."""

    @dramatiq.actor(queue_name="later")
    def last() -> None:
        assert waits.wait(10)
        seen.append(len(heard))

    # `last` is claimed after the lease was lost, and so runs once: all that the worker has in hand is handed out again.
    opens.send()
    join()
    hub.queues.pause("later")
    group = dramatiq.group([work.message(), last.message()])
    group.add_completion_callback(hear().message("done"))
    group.run()
    while group.completed_count == 0:
        pass
    hub.queues.resume("later")
    waits.set()
    join()

    assert (len(runs), heard, set(seen)) == (2, ["done"], {0})
