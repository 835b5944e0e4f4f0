"""Time limits and shutdown notices: Dramatiq's interrupts, raised in the actor and nowhere else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import Interrupt, Shutdown, TimeLimitExceeded

from helperhub import Hub
from helperhub.model.execution import Execution, Status
from helperhub.testing.running import working

Join = Callable[[], None]
ExecutionOf = Callable[[Any], Execution]


def spin(seconds: float) -> None:
    """Run Python code, which an interrupt can strike, unlike one long sleep."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.parametrize("where", ["actor", "message"])
def test_time_limit_is_raised_in_the_actor(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf, where: str
) -> None:
    caught: list[type[BaseException]] = []

    options: dict[str, Any] = {"time_limit": 50} if where == "actor" else {}

    @dramatiq.actor(queue_name="default", max_retries=0, **options)
    def slow() -> None:
        try:
            spin(10)
        except Interrupt as error:
            caught.append(type(error))
            raise

    own: dict[str, Any] = {"time_limit": 50} if where == "message" else {}
    message = slow.send_with_options(args=(), **own)
    join()

    assert caught == [TimeLimitExceeded]
    assert execution(message).status is Status.ERROR
    assert "TimeLimitExceeded" in execution(message).errors[-1].type


def test_actor_may_finish_after_its_time_limit_if_it_catches_it(
    broker: dramatiq.Broker, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor(time_limit=50)
    def tidy() -> str:
        try:
            spin(10)
        except TimeLimitExceeded:
            return "tidied up"
        return "never"

    assert tidy.send().get_result(block=True) == "tidied up"


def test_time_limit_without_end_is_none(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor(time_limit=float("inf"))
    def quick() -> str:
        return "ok"

    assert quick.send().get_result(block=True) == "ok"


def test_time_limit_cancels_an_async_actor(broker: dramatiq.Broker, join: Join, execution: ExecutionOf) -> None:
    @dramatiq.actor(time_limit=100, max_retries=0)
    async def slow() -> None:
        await asyncio.sleep(20)

    message = slow.send()
    join()

    found = execution(message)
    assert (found.status, found.attempt) == (Status.ERROR, 1)


def test_actor_that_wants_to_know_is_told_of_the_shutdown_and_runs_again(hub: Hub, redis_url: str) -> None:
    started = threading.Event()
    caught: list[type[BaseException]] = []
    ran: list[int] = []

    @dramatiq.actor(notify_shutdown=True, max_retries=0)
    def patient() -> str:
        ran.append(1)
        if len(ran) > 1:
            return "second time"
        started.set()
        try:
            spin(20)
        except Shutdown as error:
            caught.append(type(error))
            raise
        return "never"

    with working(hub):
        message = patient.send()
        assert started.wait(10)
    assert caught == [Shutdown]
    assert hub.executions.get(message.message_id).status is Status.QUEUED

    with working(hub):
        assert message.get_result(block=True) == "second time"
    assert hub.executions.get(message.message_id).attempt == 1


def test_actor_that_doesnt_want_to_know_finishes_first(hub: Hub) -> None:
    started = threading.Event()

    @dramatiq.actor
    def busy() -> str:
        started.set()
        spin(0.5)
        return "finished"

    with working(hub):
        message = busy.send()
        assert started.wait(10)

    assert message.get_result() == "finished"
