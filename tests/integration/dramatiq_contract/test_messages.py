"""Messages and actors: sending, delays, generic and async actors, and what an actor knows of its message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.encoder import JSONEncoder, PickleEncoder
from dramatiq.middleware import CurrentMessage
from tests.integration.dramatiq_contract.conftest import own_actors

from helperhub import Hub
from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.execution import Execution, Status

Join = Callable[[], None]
ExecutionOf = Callable[[Any], Execution]


@pytest.fixture
def noted() -> list[Any]:
    return []


@pytest.fixture
def note(broker: dramatiq.Broker, noted: list[Any]) -> dramatiq.Actor[..., None]:
    @dramatiq.actor
    def note(*args: Any, **kwargs: Any) -> None:
        noted.append((args, kwargs))

    return note


def test_arguments_arrive_as_json_brings_them(note: Any, noted: list[Any], join: Join) -> None:
    note.send(1, "two", [3, (4,)], {"five": None, 6: True}, seven=7.5)
    join()

    assert noted == [((1, "two", [3, [4]], {"five": None, "6": True}), {"seven": 7.5})]


def test_calling_an_actor_runs_it_here_and_now(note: Any, noted: list[Any]) -> None:
    note(1)

    assert noted == [((1,), {})]


@pytest.mark.parametrize("delay", [200, timedelta(milliseconds=200)])
def test_delayed_message_isnt_run_before(note: Any, join: Join, execution: ExecutionOf, delay: Any) -> None:
    message = note.send_with_options(args=(1,), delay=delay)
    join()

    found = execution(message)
    assert found.started_at is not None
    assert found.enqueued_at is not None
    assert found.started_at - found.enqueued_at >= timedelta(milliseconds=195)


def test_broker_enqueues_a_message_with_a_delay(
    broker: dramatiq.Broker, note: Any, noted: list[Any], join: Join, execution: ExecutionOf
) -> None:
    message = broker.enqueue(note.message(1), delay=50)
    join()

    assert noted == [((1,), {})]
    assert execution(message).status is Status.SUCCESS


@pytest.mark.parametrize("delay", ["5", True, float("inf"), float("nan"), [1]])
def test_delay_that_is_no_number_is_refused(note: Any, delay: Any) -> None:
    with pytest.raises(UsageError, match="delay="):
        note.send_with_options(delay=delay)


def test_delayed_messages_dont_hold_up_others(note: Any, noted: list[Any], worker: dramatiq.Worker) -> None:
    """Dramatiq keeps delayed messages in a worker's memory: a window full of them blocked all others."""
    for number in range(1_200):
        note.send_with_options(args=(number,), delay=3_600_000)

    note.send_with_options(args=("soon",), delay=20)

    deadline = time.monotonic() + 10
    while not noted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert noted == [(("soon",), {})]


def test_message_is_sent_again_as_another_execution(hub: Hub, note: Any, noted: list[Any], join: Join) -> None:
    first = note.send(1)
    second = hub.broker.enqueue(first)
    third = hub.broker.enqueue(first.copy(args=(2,)))
    join()

    assert len({first.message_id, second.message_id, third.message_id}) == 3
    assert sorted(args for args, _ in noted) == [(1,), (1,), (2,)]


def test_asdict_and_copy_are_dramatiqs(note: Any) -> None:
    message = note.message_with_options(args=(1,), kwargs={"a": 2}, max_retries=3)

    assert message.asdict() == {
        "queue_name": "default",
        "actor_name": "note",
        "args": (1,),
        "kwargs": {"a": 2},
        "options": {"max_retries": 3},
        "message_id": message.message_id,
        "message_timestamp": message.message_timestamp,
    }
    assert message.copy(options={"time_limit": 5}).options == {"max_retries": 3, "time_limit": 5}
    assert dramatiq.Message.decode(message.encode()) == message


def test_actor_sends_to_others_and_to_itself(broker: dramatiq.Broker, join: Join) -> None:
    counted: list[int] = []

    @dramatiq.actor
    def count_down(number: int) -> None:
        counted.append(number)
        if number:
            count_down.send(number - 1)

    count_down.send(5)
    join()

    assert counted == [5, 4, 3, 2, 1, 0]


def test_generic_actors_are_actors(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    class Base(dramatiq.GenericActor):
        class Meta:
            abstract = True
            queue_name = "classes"
            max_retries = 1

        def greeting(self) -> str:
            raise NotImplementedError  # as Dramatiq's guide has abstract actors

        def perform(self, name: str) -> str:
            return f"{self.greeting()} {name}"

    class Hello(Base):
        def greeting(self) -> str:
            return "hello"

    assert (Hello.actor_name, Hello.queue_name) == ("Hello", "classes")
    assert Hello.send("Ada").get_result(block=True) == "hello Ada"


def test_async_actors_run_and_know_their_message(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor
    async def wait(number: int) -> list[Any]:
        await asyncio.sleep(0.01)
        message = CurrentMessage.get_current_message()
        return [number, message and message.message_id]

    messages = [wait.send(number) for number in range(8)]

    results = [message.get_result(block=True) for message in messages]
    assert results == [[number, message.message_id] for number, message in enumerate(messages)]


def test_async_actor_that_raises_is_retried(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    failures = [ValueError()]

    @dramatiq.actor(min_backoff=1, max_backoff=2)
    async def flaky() -> str:
        await asyncio.sleep(0)
        if failures:
            raise failures.pop()
        return "ok"

    assert flaky.send().get_result(block=True) == "ok"


def test_actor_sees_its_message_and_how_often_it_was_retried(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    seen: list[Any] = []

    @dramatiq.actor(min_backoff=1, max_backoff=2)
    def look(x: int) -> None:
        message = CurrentMessage.get_current_message()
        assert message is not None
        seen.append((message.message_id, message.args, message.options.get("retries", 0), message.options["mine"]))
        if len(seen) < 3:
            raise ValueError

    message = look.send_with_options(args=(1,), mine="yes")
    message.get_result(block=True)

    assert seen == [(message.message_id, (1,), retries, "yes") for retries in range(3)]
    assert CurrentMessage.get_current_message() is None


def test_actor_with_its_own_class_of_actors(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    class Loud(dramatiq.Actor[..., Any]):
        def send_loud(self, text: str) -> Any:
            return self.send(text.upper())

    @dramatiq.actor(actor_class=Loud)
    def echo(text: str) -> str:
        return text

    assert echo.send_loud("hi").get_result(block=True) == "HI"  # type: ignore[attr-defined]


def test_unknown_option_of_an_actor_is_refused_as_by_dramatiq(broker: dramatiq.Broker) -> None:
    with pytest.raises(ValueError, match="following actor options are undefined: bogus"):

        @dramatiq.actor(bogus=1)
        def idle() -> None: ...


def test_second_actor_of_one_name_is_refused_as_by_dramatiq(note: Any) -> None:
    with pytest.raises(ValueError, match="'note' is already registered"):
        dramatiq.actor(actor_name="note")(lambda: None)


@pytest.mark.parametrize("name", ["a/b", "a#b", "a@b", "a b"])
def test_name_that_would_be_an_instances_or_a_planned_id_is_refused(broker: dramatiq.Broker, name: str) -> None:
    with pytest.raises(InvalidHelper, match="can't be named so"):
        dramatiq.actor(actor_name=name)(lambda: None)

    assert own_actors(broker) == set()


class MyEncoder(JSONEncoder):
    """Somebody's own."""


@pytest.mark.parametrize("encoder", [PickleEncoder(), MyEncoder()])
def test_another_encoder_is_refused_where_something_is_sent(note: Any, encoder: Any) -> None:
    dramatiq.set_encoder(encoder)
    try:
        with pytest.raises(UsageError, match=f"set_encoder\\({type(encoder).__name__}\\(\\)\\) can't be followed"):
            note.send(1)
    finally:
        dramatiq.set_encoder(JSONEncoder())

    assert note.send(1).message_id


def test_queues_and_actors_that_were_declared_are_known(broker: dramatiq.Broker) -> None:
    @dramatiq.actor(queue_name="mail")
    def send_mail() -> None: ...

    assert own_actors(broker) == {"send_mail"}
    assert "mail" in broker.get_declared_queues()
    assert broker.get_declared_delay_queues() == set()
    assert broker.get_actor("send_mail") is send_mail
    with pytest.raises(dramatiq.ActorNotFound):
        broker.get_actor("nobody")
