"""Pipelines: each message's result goes to the next; the next is enqueued once, with the outcome of the one before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.results import ResultMissing, ResultTimeout

from helperhub import Hub
from helperhub.errors import UsageError
from helperhub.model.execution import Execution, Status

Join = Callable[[], None]
ExecutionOf = Callable[[Any], Execution]


@pytest.fixture
def add(broker: dramatiq.Broker) -> dramatiq.Actor[..., int]:
    @dramatiq.actor
    def add(x: int, y: int) -> int:
        return x + y

    return add


def test_result_of_each_message_is_the_last_argument_of_the_next(add: Any, worker: dramatiq.Worker) -> None:
    pipe = dramatiq.pipeline([add.message(1, 2), add.message(3), add.message(4)])

    pipe.run()

    assert pipe.get_result(block=True) == 10
    assert list(pipe.get_results()) == [3, 6, 10]
    assert (pipe.completed, pipe.completed_count, len(pipe)) == (True, 3, 3)


def test_messages_compose_by_a_bar(add: Any, worker: dramatiq.Worker) -> None:
    pipe = add.message(1, 2) | add.message(3)
    longer = pipe | add.message(4)

    assert longer.run().get_result(block=True) == 10


def test_pipelines_within_pipelines_are_flattened(add: Any, worker: dramatiq.Worker) -> None:
    inner = add.message(3) | add.message(4)

    assert dramatiq.pipeline([add.message(1, 2), inner, add.message(5)]).run().get_result(block=True) == 15


def test_pipeline_that_hasnt_run_has_no_result(add: Any) -> None:
    pipe = add.message(1, 2) | add.message(3)

    assert (pipe.completed, pipe.completed_count) == (False, 0)
    with pytest.raises(ResultMissing):
        pipe.get_result()
    with pytest.raises(ResultTimeout):
        pipe.get_result(block=True, timeout=50)


@pytest.mark.parametrize("where", ["message", "actor"])
def test_pipe_ignore_leaves_the_result_out(broker: dramatiq.Broker, worker: dramatiq.Worker, where: str) -> None:
    declared: dict[str, Any] = {"pipe_ignore": True} if where == "actor" else {}

    def first() -> str:
        return "unheard"

    ignored = dramatiq.actor(actor_name="first", **declared)(first)

    @dramatiq.actor
    def second(*args: Any) -> list[Any]:
        return list(args)

    options: dict[str, Any] = {"pipe_ignore": True} if where == "message" else {}
    pipe = ignored.message() | second.message_with_options(args=("mine",), **options)

    assert pipe.run().get_result(block=True) == ["mine"]


def test_delays_of_a_pipeline_and_of_its_messages_are_kept(add: Any, worker: dramatiq.Worker) -> None:
    started = time.monotonic()

    pipe = add.message_with_options(args=(1, 2), delay=150) | add.message_with_options(args=(3,), delay=200)
    pipe.run(delay=50)

    assert pipe.get_result(block=True) == 6
    assert time.monotonic() - started > 0.35


def test_pipeline_stops_at_a_message_that_fails(hub: Hub, add: Any, join: Join, execution: ExecutionOf) -> None:
    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2)
    def broken(x: int) -> None:
        raise ValueError

    pipe = add.message(1, 2) | broken.message() | add.message(4)  # type: ignore[call-arg]  # the step before gives it
    pipe.run()
    join()

    assert execution(pipe.messages[1]).status is Status.ERROR
    assert hub.records.get(pipe.messages[2].message_id) is None


def test_pipeline_goes_on_when_a_dead_letter_of_it_is_replayed(hub: Hub, add: Any, join: Join) -> None:
    failures = [ValueError()]

    @dramatiq.actor(max_retries=0)
    def flaky(x: int) -> int:
        if failures:
            raise failures.pop()
        return x

    pipe = add.message(1, 2) | flaky.message() | add.message(4)  # type: ignore[call-arg]  # the step before gives it
    pipe.run()
    join()
    hub.dead_letters.replay([pipe.messages[1].message_id])
    join()

    assert pipe.get_result() == 7


def test_retried_message_is_followed_once(add: Any, join: Join) -> None:
    failures = [ValueError(), ValueError()]
    followed: list[int] = []

    @dramatiq.actor(max_retries=3, min_backoff=1, max_backoff=2)
    def flaky(x: int) -> int:
        if failures:
            raise failures.pop()
        return x

    @dramatiq.actor
    def note(x: int) -> None:
        followed.append(x)

    (add.message(1, 2) | flaky.message() | note.message()).run()  # type: ignore[call-arg]  # the step before gives it
    join()

    assert followed == [3]


def test_pipeline_that_is_run_twice_runs_twice(broker: dramatiq.Broker, join: Join) -> None:
    """The second run's first message found its successor's id taken, and the pipeline ended there."""
    noted: list[int] = []

    @dramatiq.actor
    def one() -> int:
        return 1

    @dramatiq.actor
    def note(x: int) -> None:
        noted.append(x)

    pipe = one.message() | note.message()  # type: ignore[call-arg]  # the step before gives it
    pipe.run()
    join()
    pipe.run()
    join()

    assert noted == [1, 1]


def test_success_whose_successor_cant_be_enqueued_is_a_dead_letter_that_says_so(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf
) -> None:
    @dramatiq.actor
    def odd() -> set[int]:
        return {1}

    @dramatiq.actor
    def note(x: Any) -> None: ...

    pipe = odd.message() | note.message()  # type: ignore[call-arg]  # the step before gives it
    pipe.run()
    join()

    found = execution(pipe.messages[0])
    assert found.status is Status.ERROR
    assert found.reason.startswith("it returned, but its successor can't be enqueued: The arguments can't be written")


def test_result_beyond_what_the_history_keeps_reaches_the_successor_whole(
    broker: dramatiq.Broker, worker: dramatiq.Worker
) -> None:
    @dramatiq.actor
    def large() -> str:
        return "x" * 200_000

    @dramatiq.actor
    def measure(text: str) -> int:
        return len(text)

    assert (large.message() | measure.message()).run().get_result(block=True) == 200_000  # type: ignore[call-arg]  # the step before gives it


@pytest.mark.parametrize(
    "target",
    ["next", {"actor_name": "add"}, {"queue_name": 1, "actor_name": "add", "args": (), "kwargs": {}, "options": {}}],
)
def test_pipe_target_that_is_no_message_is_refused_where_it_is_sent(add: Any, target: Any) -> None:
    with pytest.raises(UsageError, match="pipe_target"):
        add.send_with_options(args=(1, 2), pipe_target=target)


def test_mistake_in_a_later_message_is_refused_where_the_pipeline_is_run(add: Any) -> None:
    pipe = add.message(1, 2) | add.message(3) | add.message_with_options(args=(4,), time_limit="soon")

    with pytest.raises(UsageError, match="time_limit='soon'"):
        pipe.run()
