"""Tests in Dramatiq's way: send, join the queue, join the worker; and emptying queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import QueueJoinTimeout, QueueNotFound
from dramatiq.results import ResultFailure

from helperhub import Hub
from helperhub.model.execution import Execution, Status

ExecutionOf = Callable[[Any], Execution]


@pytest.fixture
def work(broker: dramatiq.Broker) -> dramatiq.Actor[..., Any]:
    @dramatiq.actor(min_backoff=1, max_backoff=5, max_retries=1)
    def work(number: int) -> int:
        if number < 0:
            message = f"no use {number}"
            raise ValueError(message)
        return number

    return work


def test_join_waits_for_delayed_and_retried_messages(broker: Any, worker: dramatiq.Worker, work: Any) -> None:
    messages = [work.send_with_options(args=(number,), delay=number * 20) for number in range(5)]
    failing = work.send(-1)

    broker.join("default", timeout=10_000)
    worker.join()

    assert [message.get_result() for message in messages] == [0, 1, 2, 3, 4]
    with pytest.raises(ResultFailure):
        failing.get_result()


def test_join_that_takes_too_long_raises(broker: Any, work: Any) -> None:
    work.send(1)

    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)


def test_join_that_is_to_fail_fast_raises_what_an_actor_raised(broker: Any, worker: Any, work: Any) -> None:
    work.send(1)
    broker.join("default", timeout=10_000, fail_fast=True)
    work.send(-5)

    with pytest.raises(ResultFailure, match="actor raised ValueError: no use -5"):
        broker.join("default", timeout=10_000, fail_fast=True)


def test_queue_that_was_never_declared_cant_be_joined(broker: Any) -> None:
    with pytest.raises(QueueNotFound):
        broker.join("nowhere")


@pytest.mark.parametrize("everything", [False, True])
def test_flush_cancels_what_waits_and_leaves_the_dead_letters(
    hub: Hub, broker: Any, work: Any, execution: ExecutionOf, everything: bool
) -> None:
    with_worker = dramatiq.Worker(broker, worker_timeout=100)
    with_worker.start()
    dead = work.send(-1)
    broker.join("default", timeout=10_000)
    with_worker.stop()
    messages = [work.send(1), work.send_with_options(args=(2,), delay=60_000)]

    if everything:
        broker.flush_all()
    else:
        broker.flush("default")

    assert {execution(message).status for message in messages} == {Status.CANCELLED}
    assert hub.dead_letters.get(dead.message_id).id == dead.message_id
    broker.join("default", timeout=1_000)


def test_counts_of_a_queue_are_waiting_delayed_and_dead(broker: Any, work: Any) -> None:
    work.send(1)
    work.send(2)
    work.send_with_options(args=(3,), delay=60_000)

    assert broker.get_queue_message_counts("default") == (2, 1, 0)
