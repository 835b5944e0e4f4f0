"""Callbacks: on_success with the result, on_failure and on_retry_exhausted when an execution is given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.execution import Execution, Status

Join = Callable[[], None]
ExecutionOf = Callable[[Any], Execution]
AT_ONCE: dict[str, Any] = {"min_backoff": 1, "max_backoff": 2}


@pytest.fixture
def calls(broker: dramatiq.Broker) -> list[tuple[Any, ...]]:
    """What the actor ``callback`` was called with."""
    heard: list[tuple[Any, ...]] = []

    @dramatiq.actor
    def callback(message_data: dict[str, Any], about: Any) -> None:
        heard.append((message_data, about))

    return heard


def target() -> dramatiq.Actor[..., Any]:
    return dramatiq.get_broker().get_actor("callback")


@pytest.mark.parametrize("how", ["actor's name", "actor itself", "message's name", "message's actor"])
def test_success_calls_back_with_message_and_result(calls: list[Any], join: Join, how: str) -> None:
    own: dict[str, Any] = {"actor's name": "callback", "actor itself": target()}

    options: dict[str, Any] = {"on_success": own[how]} if how in own else {}

    def plus(x: int, y: int) -> int:
        return x + y

    add = dramatiq.actor(actor_name="add", **options)(plus)

    sent: dict[str, Any] = {"message's name": "callback", "message's actor": target()}
    asked: dict[str, Any] = {"on_success": sent[how]} if how in sent else {}
    message = add.send_with_options(args=(1, 2), **asked)
    join()

    ((data, result),) = calls
    assert result == 3
    assert (data["message_id"], data["actor_name"], list(data["args"])) == (message.message_id, "add", [1, 2])
    assert set(data) == set(message.asdict())


def test_failure_calls_back_once_when_the_execution_is_given_up(calls: list[Any], join: Join) -> None:
    @dramatiq.actor(max_retries=3, on_failure="callback", **AT_ONCE)
    def broken(x: int) -> None:
        message = f"no use {x}"
        raise ValueError(message)

    broken.send(7)
    join()

    ((data, about),) = calls
    assert about == {"type": "ValueError", "message": "no use 7"}
    assert data["options"]["retries"] == 4


def test_failure_that_is_followed_by_a_success_calls_nobody(calls: list[Any], join: Join) -> None:
    failures = [ValueError()]

    @dramatiq.actor(max_retries=3, on_failure="callback", on_retry_exhausted="callback", **AT_ONCE)
    def flaky() -> None:
        if failures:
            raise failures.pop()

    flaky.send()
    join()

    assert calls == []


@pytest.mark.parametrize(("max_retries", "retries"), [(2, 2), (0, 0)])
def test_retry_exhausted_calls_back_with_both_numbers(
    calls: list[Any], join: Join, max_retries: int, retries: int
) -> None:
    @dramatiq.actor(max_retries=max_retries, on_retry_exhausted="callback", **AT_ONCE)
    def broken() -> None:
        raise ValueError

    broken.send()
    join()

    ((data, about),) = calls
    assert about == {"retries": retries, "max_retries": max_retries}
    assert data["actor_name"] == "broken"


def test_exception_of_throws_is_a_failure_but_no_exhaustion(calls: list[Any], join: Join) -> None:
    told: list[Any] = []

    @dramatiq.actor
    def exhausted(message_data: dict[str, Any], about: Any) -> None:
        told.append(about)

    @dramatiq.actor(throws=KeyError, on_failure="callback", on_retry_exhausted="exhausted")
    def picky() -> None:
        raise KeyError("nobody")  # noqa: EM101

    picky.send()
    join()

    assert [about["type"] for _, about in calls] == ["KeyError"]
    assert told == []


def test_callback_has_callbacks_and_failures_of_its_own(broker: dramatiq.Broker, join: Join) -> None:
    heard: list[str] = []

    @dramatiq.actor
    def last(message_data: dict[str, Any], about: Any) -> None:
        heard.append(message_data["actor_name"])

    @dramatiq.actor(on_failure="last", max_retries=0)
    def middle(message_data: dict[str, Any], about: Any) -> None:
        heard.append(message_data["actor_name"])
        raise ValueError

    @dramatiq.actor(on_success="middle")
    def first() -> None: ...

    first.send()
    join()

    assert heard == ["first", "middle"]


def test_success_whose_callback_nobody_knows_is_a_dead_letter_that_says_so(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf
) -> None:
    @dramatiq.actor(on_success="missing")
    def fine() -> None: ...

    message = fine.send()
    join()

    found = execution(message)
    assert found.status is Status.ERROR
    assert found.reason == "it returned, but its on_success can't be enqueued: no actor is named 'missing'"


def test_failure_whose_callback_nobody_knows_is_the_dead_letter_it_was(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf, caplog: pytest.LogCaptureFixture
) -> None:
    @dramatiq.actor(max_retries=0, on_failure="missing")
    def broken() -> None:
        message = "no use"
        raise ValueError(message)

    message = broken.send()
    join()

    assert execution(message).errors[-1].message == "no use"
    (record,) = [record for record in caplog.records if record.message == "callback_refused"]
    assert vars(record)["callback"] == "on_failure"


def test_arguments_as_large_as_allowed_reach_the_callback(calls: list[Any], join: Join) -> None:
    @dramatiq.actor(on_success="callback")
    def echo(text: str) -> str:
        return text[:1000]

    echo.send("x" * 260_000)
    join()

    assert len(calls[0][0]["args"][0]) == 260_000


def test_callback_that_is_no_actor_is_refused_where_it_is_written(broker: dramatiq.Broker) -> None:
    @dramatiq.actor
    def idle() -> None: ...

    with pytest.raises(TypeError, match="on_success value must be an Actor"):
        idle.send_with_options(on_success=5)
    with pytest.raises(UsageError, match="on_retry_exhausted=5"):
        idle.send_with_options(on_retry_exhausted=5)
    with pytest.raises(InvalidHelper, match="Actor 'other' has on_failure=5"):

        @dramatiq.actor(on_failure=5)
        def other() -> None: ...


def test_cancelled_execution_calls_nobody_back(hub: Hub, calls: list[Any], join: Join) -> None:
    @dramatiq.actor(on_failure="callback", on_success="callback")
    def idle() -> None: ...

    message = idle.send_with_options(delay=60_000)
    hub.executions.cancel(message.message_id, reason="enough")
    join()

    assert calls == []
