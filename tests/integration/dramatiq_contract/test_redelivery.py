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

    @dramatiq.actor
    def last() -> None:
        assert waits.wait(10)
        seen.append(len(heard))

    group = dramatiq.group([work.message(), last.message()])
    group.add_completion_callback(hear().message("done"))
    group.run()
    while group.completed_count == 0:
        pass
    waits.set()
    join()

    # The lease that was lost was the worker's: `last` may come twice too, and then after the callback.
    assert (len(runs), heard, seen[0]) == (2, ["done"], 0)
