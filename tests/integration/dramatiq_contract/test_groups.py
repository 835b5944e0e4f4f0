"""Groups: all at once, their results, and callbacks that run once when the last member is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend
from dramatiq.results import ResultTimeout

from helperhub import Hub

Join = Callable[[], None]


@pytest.fixture
def square(broker: dramatiq.Broker) -> dramatiq.Actor[..., int]:
    @dramatiq.actor
    def square(x: int) -> int:
        return x * x

    return square


@pytest.fixture
def finished(broker: dramatiq.Broker) -> list[str]:
    """What the actor ``finish`` was sent."""
    heard: list[str] = []

    @dramatiq.actor
    def finish(name: str) -> None:
        heard.append(name)

    return heard


def callback(name: str) -> dramatiq.Message[Any]:
    return dramatiq.get_broker().get_actor("finish").message(name)


def test_group_gives_the_results_of_all(square: Any, worker: dramatiq.Worker) -> None:
    group = dramatiq.group(square.message(x) for x in range(10))

    group.run()
    group.wait(timeout=10_000)

    assert list(group.get_results()) == [x * x for x in range(10)]
    assert (group.completed, group.completed_count, len(group)) == (True, 10, 10)


def test_group_that_isnt_done_says_how_far_it_is(square: Any) -> None:
    group = dramatiq.group([square.message(1), square.message(2)]).run()

    assert (group.completed, group.completed_count) == (False, 0)
    with pytest.raises(ResultTimeout):
        group.wait(timeout=50)


def test_groups_may_hold_groups_and_pipelines(square: Any, worker: dramatiq.Worker) -> None:
    group = dramatiq.group(
        [
            square.message(2),
            dramatiq.group([square.message(3), square.message(4)]),
            square.message(2) | square.message(),
        ]
    ).run()

    assert list(group.get_results(block=True, timeout=10_000)) == [4, [9, 16], 16]


def test_callbacks_run_once_when_all_are_done(square: Any, finished: list[str], join: Join) -> None:
    group = dramatiq.group([square.message(x) for x in range(20)])
    group.add_completion_callback(callback("first"))
    group.add_completion_callback(callback("second"))

    group.run()
    join()

    assert sorted(finished) == ["first", "second"]


def test_callback_waits_for_the_last_member(square: Any, finished: list[str], join: Join, hub: Hub) -> None:
    failures = [ValueError()]

    @dramatiq.actor(max_retries=0)
    def flaky() -> None:
        if failures:
            raise failures.pop()

    group = dramatiq.group([square.message(1), flaky.message()])
    group.add_completion_callback(callback("done"))
    group.run()
    join()
    assert finished == []

    hub.dead_letters.replay([group.children[1].message_id])
    join()

    assert finished == ["done"]


def test_member_that_is_retried_counts_once(square: Any, finished: list[str], join: Join) -> None:
    failures = [ValueError(), ValueError()]
    ran: list[int] = []

    @dramatiq.actor(max_retries=5, min_backoff=1, max_backoff=2)
    def flaky() -> None:
        if failures:
            raise failures.pop()
        ran.append(len(finished))

    group = dramatiq.group([flaky.message(), square.message(1), square.message(2)])
    group.add_completion_callback(callback("done"))
    group.run()
    join()

    assert (finished, ran) == (["done"], [0])


def test_replay_of_a_member_that_was_done_counts_nothing(
    square: Any, finished: list[str], join: Join, hub: Hub
) -> None:
    @dramatiq.actor(max_retries=0)
    def broken() -> None:
        raise ValueError

    group = dramatiq.group([square.message(1), square.message(2), broken.message()])
    group.add_completion_callback(callback("done"))
    group.run()
    join()

    hub.executions.replay([group.children[0].message_id])
    join()

    assert finished == []


def test_group_that_is_run_twice_finishes_twice(square: Any, finished: list[str], join: Join) -> None:
    group = dramatiq.group([square.message(1), square.message(2)])
    group.add_completion_callback(callback("done"))

    group.run()
    group.run()
    join()

    assert finished == ["done", "done"]


def test_message_that_is_twice_in_a_group_counts_twice(square: Any, finished: list[str], join: Join) -> None:
    message = square.message(1)
    group = dramatiq.group([message, message])
    group.add_completion_callback(callback("done"))

    group.run()
    join()

    assert finished == ["done"]


def test_pipeline_in_a_group_counts_when_its_last_message_is_done(square: Any, finished: list[str], join: Join) -> None:
    seen: list[int] = []

    @dramatiq.actor
    def slow(x: int) -> int:
        seen.append(len(finished))
        return x

    pipe = square.message(2) | slow.message() | slow.message()  # type: ignore[call-arg]  # the step before gives it
    group = dramatiq.group([square.message(1), pipe])
    group.add_completion_callback(callback("done"))

    group.run(delay=20)
    join()

    assert (finished, seen) == (["done"], [0, 0])


def test_nothing_is_left_of_a_group_that_is_done(square: Any, finished: list[str], join: Join, hub: Hub) -> None:
    group = dramatiq.group([square.message(x) for x in range(3)])
    group.add_completion_callback(callback("done"))

    group.run()
    pattern = hub.scripts.keys.at("group", "*")
    join()

    assert finished == ["done"]
    assert hub.scripts.client.keys(pattern) == []


def test_group_in_a_group_with_callbacks_is_refused_as_by_dramatiq(square: Any, finished: list[str]) -> None:
    group = dramatiq.group([dramatiq.group([square.message(1)])])
    group.add_completion_callback(callback("done"))

    with pytest.raises(NotImplementedError):  # what Dramatiq raises for it
        group.run()


def test_group_callbacks_that_a_user_adds_change_nothing(
    broker: dramatiq.Broker, redis_url: str, square: Any, finished: list[str], join: Join
) -> None:
    """Dramatiq's own would find no barrier of its own, and take the first member for the last."""
    broker.add_middleware(GroupCallbacks(RedisBackend(url=redis_url)))
    group = dramatiq.group([square.message(x) for x in range(5)])
    group.add_completion_callback(callback("done"))

    group.run()
    join()

    assert finished == ["done"]
