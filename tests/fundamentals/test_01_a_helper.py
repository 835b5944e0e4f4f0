"""1. A helper is a function of one argument, its context. Calling it by name makes an execution."""

from __future__ import annotations

from typing import Any

from tests.fundamentals.conftest import Running

from helperhub import Context, helper


@helper
def greet(ctx: Context[Any]) -> str:
    return f"hello {ctx.payload['name']}"


def test_a_helper_is_a_function_that_a_test_can_call() -> None:
    assert greet(Context(payload={"name": "Ada"})) == "hello Ada"


def test_enqueueing_answers_an_id_and_the_execution_is_in_the_history(running: Running) -> None:
    with running([greet]) as hub:
        execution_id = hub.enqueue("greet", {"name": "Ada"}, metadata={"app": "web"})
        execution = hub.wait(execution_id)

    assert execution.status == "success"
    assert execution.result == "hello Ada"
    assert execution.metadata == {"app": "web"}


def test_a_helper_is_sent_like_any_dramatiq_actor(running: Running) -> None:
    with running([greet]) as hub:
        message = greet.send({"name": "Grace"})

        assert hub.wait(message.message_id).result == "hello Grace"


def test_the_callers_own_id_makes_enqueueing_again_harmless(running: Running) -> None:
    with running([greet], worker=False) as hub:
        ids = [hub.enqueue("greet", {"name": "Ada"}, id="order-17") for _ in range(3)]

        assert ids == ["order-17"] * 3
        assert [queue.ready for queue in hub.queues.all() if queue.name == "default"] == [1]
