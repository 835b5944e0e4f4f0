"""Sending as with any Dramatiq broker: alone, in groups, many at once, and waiting for the end of all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import QueueJoinTimeout

from helperhub import Hub
from helperhub.errors import NotFound, QueueFull, UsageError
from helperhub.model.execution import Execution, Status
from helperhub.testing.running import working

EndOf = Callable[[Hub, Any], Execution]


def test_group_runs_every_message_and_gives_their_results(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def square(number: int) -> int:
        return number * number

    with working(hub):
        group = dramatiq.group([square.message(number) for number in range(5)], broker=hub.broker).run()

        assert list(group.get_results(block=True)) == [0, 1, 4, 9, 16]


def test_group_that_is_run_twice_sends_twice(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def idle() -> None: ...

    group = dramatiq.group([idle.message(), idle.message()], broker=hub.broker)
    group.run()
    group.run()

    (queue,) = hub.queues.all()
    assert queue.ready == 4


def test_join_returns_when_all_has_ended_retries_and_delayed_ones_too(hub: Hub) -> None:
    ran: list[int] = []

    @dramatiq.actor(broker=hub.broker, min_backoff=1, max_backoff=5)
    def note(number: int) -> None:
        ran.append(number)
        if ran.count(number) == 1:
            raise ValueError

    with working(hub):
        for number in range(3):
            note.send_with_options(args=(number,), delay=number * 50)
        hub.broker.join("default", timeout=10_000)

    assert sorted(ran) == [0, 0, 1, 1, 2, 2]


def test_join_that_takes_too_long_says_so(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def idle() -> None: ...

    idle.send()

    with pytest.raises(QueueJoinTimeout):
        hub.broker.join("default", timeout=50)


def test_flush_cancels_what_waits(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def idle() -> None: ...

    messages = [idle.send(), idle.send_with_options(delay=60_000)]

    hub.broker.flush_all()

    assert {hub.executions.get(message.message_id).status for message in messages} == {Status.CANCELLED}
    hub.broker.join("default", timeout=1_000)


def test_thousand_are_enqueued_at_once_and_all_run(hub: Hub) -> None:
    seen: set[int] = set()

    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None:
        seen.add(number)

    with working(hub):
        ids = hub.enqueue_many([("note", number) for number in range(1_200)])
        hub.broker.join("default", timeout=20_000)

    assert len(set(ids)) == 1_200
    assert seen == set(range(1_200))


def test_nothing_is_enqueued_when_one_of_many_cant_be(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None: ...

    with pytest.raises(NotFound, match="No helper is named 'noet'"):
        hub.enqueue_many([("note", 1), ("noet", 2)])

    assert hub.queues.all() == []


@pytest.mark.parametrize("variables", [{"HELPERHUB_QUEUES__DEFAULT__MAX_DEPTH": "3"}])
def test_full_queue_refuses_and_says_how_many_went_in(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None: ...

    with pytest.raises(QueueFull, match="3 of this call were enqueued") as refused:
        hub.enqueue_many([("note", number) for number in range(5)])

    error = refused.value
    assert (error.queue, error.depth, error.bound) == ("default", 3, 3)
    assert hub.queues.all()[0].ready == 3


def test_worker_serves_only_the_queues_it_is_told_to(hub: Hub, end_of: EndOf) -> None:
    @dramatiq.actor(broker=hub.broker, queue_name="mine")
    def mine() -> None: ...

    @dramatiq.actor(broker=hub.broker, queue_name="theirs")
    def theirs() -> None: ...

    other = theirs.send()
    with working(hub, queues=["mine"]):
        assert end_of(hub, mine.send()).status is Status.SUCCESS

        assert hub.executions.get(other.message_id).status is Status.QUEUED
        (worker,) = hub.workers.all()
        assert worker["queues"] == ["mine"]


def test_callers_id_is_enqueued_once_from_many_threads(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def order(number: int) -> None: ...

    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(hub.enqueue("order", n, id="order-7"))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == ["order-7"] * 8
    assert hub.queues.all()[0].ready == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [({"priority": 6}, "Priority 6"), ({"priority": "high"}, "Priority 'high'"), ({"expires_after": "1h"}, "'1h'")],
)
def test_option_out_of_range_is_refused_where_it_is_sent(hub: Hub, options: dict[str, Any], said: str) -> None:
    @dramatiq.actor(broker=hub.broker)
    def idle() -> None: ...

    with pytest.raises(UsageError, match=said):
        idle.send_with_options(**options)


def test_execution_past_its_expiry_is_recorded_and_never_run(hub: Hub, end_of: EndOf) -> None:
    ran: list[int] = []

    @dramatiq.actor(broker=hub.broker)
    def note() -> None:
        ran.append(1)

    message = note.send_with_options(expires_after=1)
    clock = hub.scripts.keys.at("clock")
    hub.scripts.client.set(clock, int(hub.scripts.client.get(clock)) + 100)
    with working(hub):
        execution = end_of(hub, message)

    assert (execution.status, execution.delivery, ran) == (Status.EXPIRED, 0, [])
