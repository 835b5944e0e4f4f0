"""What an actor returns is in its execution, and ``message.get_result()`` reads it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.results import ResultMissing
from dramatiq.results.errors import ResultFailure

from helperhub import Hub
from helperhub.errors import InvalidPayload, TooLarge
from helperhub.model.execution import Execution, Status
from helperhub.testing.running import working

EndOf = Callable[[Hub, Any], Execution]


def test_result_is_in_the_history_and_in_the_message(hub: Hub, end_of: EndOf) -> None:
    @dramatiq.actor(broker=hub.broker)
    def add(a: int, b: int = 0) -> dict[str, int]:
        return {"sum": a + b}

    with working(hub):
        message = add.send(1, b=2)
        execution = end_of(hub, message)

    assert (execution.status, execution.result) == (Status.SUCCESS, {"sum": 3})
    assert message.get_result() == {"sum": 3}
    assert (execution.attempt, execution.delivery) == (1, 1)
    assert execution.started_at is not None


def test_result_of_a_message_that_hasnt_run_is_missing(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def idle() -> None: ...

    message = idle.send()

    with pytest.raises(ResultMissing):
        message.get_result()


def test_result_of_a_message_that_failed_names_its_error(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker, max_retries=0)
    def broken() -> None:
        message = "out of paper"
        raise OSError(message)

    with working(hub):
        message = broken.send()
        with pytest.raises(ResultFailure, match="out of paper") as caught:
            message.get_result(block=True)

    assert caught.value.orig_exc_type == "OSError"


def test_results_come_back_as_they_went(hub: Hub) -> None:
    results: list[Any] = [0, "", [], {}, False, None, {"nested": [1, {"a": None}]}, 2**63 - 1, 0.5]

    @dramatiq.actor(broker=hub.broker)
    def echo(number: int) -> Any:
        return results[number]

    with working(hub):
        messages = [echo.send(number) for number in range(len(results))]
        found = [message.get_result(block=True) for message in messages]

    assert found == results
    assert [type(one) for one in found] == [type(one) for one in results]


def test_results_that_arent_json_are_shown_as_text_and_the_executions_succeed(hub: Hub, end_of: EndOf) -> None:
    results: list[Any] = [{1}, 1j, b"bytes", 2**70, "lone \udc80", {(1, 2): 3}]

    @dramatiq.actor(broker=hub.broker)
    def odd(number: int) -> Any:
        return results[number]

    with working(hub):
        executions = [end_of(hub, message) for message in [odd.send(number) for number in range(len(results))]]

    assert {execution.status for execution in executions} == {Status.SUCCESS}
    assert [execution.result["not_json"] for execution in executions] == [repr(result) for result in results]


def test_result_whose_own_text_fails_doesnt_fail_the_execution(hub: Hub, end_of: EndOf) -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError

    @dramatiq.actor(broker=hub.broker)
    def rude() -> Any:
        return Rude()

    with working(hub):
        execution = end_of(hub, rude.send())

    assert execution.status is Status.SUCCESS
    assert "Rude" in execution.result["not_json"]


def test_result_that_is_too_large_is_cut_and_says_so(hub: Hub, end_of: EndOf) -> None:
    @dramatiq.actor(broker=hub.broker)
    def large() -> str:
        return "é" * 100_000

    with working(hub):
        execution = end_of(hub, large.send())

    assert execution.result["truncated"] is True
    assert execution.result["bytes"] == 200_002
    assert len(execution.result["head"].encode()) <= 65_536 // 2


def test_payload_that_is_too_large_is_refused_where_it_is_sent(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def take(text: str) -> None: ...

    with pytest.raises(TooLarge, match="262144 are allowed"):
        take.send("x" * 300_000)


def test_payload_that_isnt_json_is_refused_where_it_is_sent(hub: Hub) -> None:
    @dramatiq.actor(broker=hub.broker)
    def take(anything: Any) -> None: ...

    with pytest.raises(InvalidPayload, match="can't be written as JSON"):
        take.send({1, 2})
