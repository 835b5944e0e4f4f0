"""Priorities of actors and age limits of messages, which Redis keeps rather than one worker's memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.execution import Execution, Status
from helperhub.testing.running import working

ExecutionOf = Callable[[Any], Execution]


def test_lower_priority_of_an_actor_runs_first(hub: Hub, broker: dramatiq.Broker) -> None:
    ran: list[str] = []

    @dramatiq.actor(priority=10)
    def late() -> None:
        ran.append("late")

    @dramatiq.actor(priority=-10)
    def early() -> None:
        ran.append("early")

    @dramatiq.actor
    def usual() -> None:
        ran.append("usual")

    for actor in (late, usual, early):
        for _ in range(2):
            actor.send()
    with working(hub, threads=1):
        broker.join("default", timeout=10_000)

    assert ran == ["early", "early", "usual", "usual", "late", "late"]


@pytest.mark.parametrize(("given", "taken"), [(-100, 1), (-2, 1), (-1, 2), (0, 3), (1, 4), (2, 5), (1_000_000, 5)])
def test_priority_of_an_actor_is_one_of_five(
    broker: dramatiq.Broker, execution: ExecutionOf, given: int, taken: int
) -> None:
    @dramatiq.actor(priority=given)
    def idle() -> None: ...

    assert execution(idle.send()).priority == taken
    assert execution(idle.send_with_options(priority=2)).priority == 2


@pytest.mark.parametrize("priority", ["high", None, 1.5])
def test_priority_that_is_no_number_is_refused_where_it_is_declared(broker: dramatiq.Broker, priority: Any) -> None:
    """Messages of such an actor came and went without ever running: they can't be sorted."""
    with pytest.raises(InvalidHelper, match="has priority="):

        @dramatiq.actor(priority=priority)
        def idle() -> None: ...


@pytest.mark.parametrize("where", ["actor", "message"])
def test_message_past_its_age_is_never_run(
    hub: Hub, broker: dramatiq.Broker, execution: ExecutionOf, where: str
) -> None:
    ran: list[int] = []

    options: dict[str, Any] = {"max_age": 1_000} if where == "actor" else {}

    @dramatiq.actor(queue_name="default", **options)
    def note() -> None:
        ran.append(1)

    own: dict[str, Any] = {"max_age": 1_000} if where == "message" else {}
    message = note.send_with_options(args=(), **own)
    clock = hub.scripts.keys.at("clock")
    hub.scripts.client.set(clock, int(hub.scripts.client.get(clock)) + 2_000)
    with working(hub):
        broker.join("default", timeout=10_000)

    assert (execution(message).status, ran) == (Status.EXPIRED, [])


def test_age_counts_from_the_sending_on(broker: dramatiq.Broker, execution: ExecutionOf) -> None:
    @dramatiq.actor(max_age=60_000)
    def idle() -> None: ...

    message = idle.send_with_options(delay=20_000)

    found = execution(message)
    assert found.expires_at is not None
    assert found.enqueued_at is not None
    assert found.expires_at - found.enqueued_at == timedelta(seconds=60)


def test_age_that_is_over_before_the_delay_is_refused(broker: dramatiq.Broker) -> None:
    @dramatiq.actor(max_age=60_000)
    def idle() -> None: ...

    with pytest.raises(UsageError, match="it would never run"):
        idle.send_with_options(delay=60_000)


def test_expiry_of_ones_own_comes_before_the_age(broker: dramatiq.Broker, execution: ExecutionOf) -> None:
    @dramatiq.actor(max_age=60_000)
    def idle() -> None: ...

    found = execution(idle.send_with_options(expires_after=timedelta(hours=1)))

    assert found.expires_at is not None
    assert found.due_at is not None
    assert found.expires_at - found.due_at == timedelta(hours=1)
