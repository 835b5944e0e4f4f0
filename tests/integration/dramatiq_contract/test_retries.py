"""Retries as Dramatiq's options say: how often, how late, for which exceptions."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend
from dramatiq.results import ResultFailure
from tests.integration.dramatiq_contract.conftest import own_actors

from helperhub import Hub
from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.execution import Execution, Status
from helperhub.store.record import pack_record

Join = Callable[[], None]
ExecutionOf = Callable[[Any], Execution]
AT_ONCE: dict[str, Any] = {"min_backoff": 1, "max_backoff": 2}


class Mine(Exception):
    """Raised by these tests."""


def failing(runs: list[float], **options: Any) -> dramatiq.Actor[..., Any]:
    @dramatiq.actor(queue_name="default", **options)
    def broken(error: str = "Mine", delay: int | None = None) -> None:
        runs.append(time.monotonic())
        if error == "Retry":
            raise dramatiq.Retry("again", delay=delay)  # noqa: EM101
        raise {"Mine": Mine, "KeyError": KeyError}[error]

    return broken


@pytest.mark.parametrize("max_retries", [0, 1, 4])
def test_max_retries_counts_the_starts_after_the_first(broker: dramatiq.Broker, join: Join, max_retries: int) -> None:
    runs: list[float] = []
    failing(runs, max_retries=max_retries, **AT_ONCE).send()
    join()

    assert len(runs) == 1 + max_retries


def test_messages_own_max_retries_comes_first(broker: dramatiq.Broker, join: Join) -> None:
    runs: list[float] = []
    failing(runs, max_retries=5, **AT_ONCE).send_with_options(max_retries=1)
    join()

    assert len(runs) == 2


def test_max_retries_of_none_has_no_end(broker: dramatiq.Broker, worker: dramatiq.Worker, hub: Hub) -> None:
    runs: list[float] = []
    message = failing(runs, max_retries=None, min_backoff=1, max_backoff=1).send()

    deadline = time.monotonic() + 20
    while len(runs) < 30 and time.monotonic() < deadline:
        time.sleep(0.01)
    hub.executions.cancel(message.message_id, reason="enough")

    assert len(runs) >= 30


def test_retry_waits_as_long_as_it_says(broker: dramatiq.Broker, join: Join) -> None:
    runs: list[float] = []
    failing(runs, max_retries=1, min_backoff=3_600_000, max_backoff=3_600_000).send("Retry", 150)
    join()

    first, second = runs
    assert 0.145 < second - first < 5


def test_backoff_lies_between_its_bounds(broker: dramatiq.Broker, join: Join) -> None:
    runs: list[float] = []
    failing(runs, max_retries=3, min_backoff=50, max_backoff=100).send()
    join()

    gaps = [later - earlier for earlier, later in itertools.pairwise(runs)]
    assert all(gap >= 0.045 for gap in gaps)


@pytest.mark.parametrize("throws", [Mine, (KeyError, Mine), [Mine], (KeyError, (Mine,)), Exception])
def test_exception_of_throws_isnt_retried(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf, throws: Any
) -> None:
    runs: list[float] = []
    message = failing(runs, throws=throws, **AT_ONCE).send()
    join()

    assert (len(runs), execution(message).status) == (1, Status.ERROR)


@pytest.mark.parametrize("throws", ["Mine", Mine(), (Mine, "KeyError"), int, 5])
def test_throws_that_is_no_exception_class_is_refused_where_it_is_declared(
    broker: dramatiq.Broker, throws: Any
) -> None:
    """It was found out by the first failure: a TypeError that ended the worker thread."""
    with pytest.raises(InvalidHelper, match=r"Actor 'broken' has throws=.* Take an exception class"):
        failing([], throws=throws)

    assert own_actors(broker) == set()


@pytest.mark.parametrize("option", ["throws", "retry_when", "retry_policy"])
def test_what_only_an_actor_can_have_is_refused_on_a_message(broker: dramatiq.Broker, option: str) -> None:
    with pytest.raises(UsageError, match=f"A message for 'broken' has the option {option}"):
        failing([]).send_with_options(args=(), kwargs={}, delay=None, **{option: "KeyError"})


def test_message_whose_throws_got_past_the_check_costs_no_thread(
    hub: Hub, worker: dramatiq.Worker, join: Join, execution: ExecutionOf
) -> None:
    """Whoever may write to Redis could end worker threads one by one."""
    runs: list[float] = []
    message = failing(runs, max_retries=1, **AT_ONCE).send_with_options(delay=100)
    record = hub.records.record(message.message_id)
    assert record is not None
    envelope = hub.broker.envelopes.open(message.message_id, record)
    envelope.options.update(throws="KeyError", retry_when="yes", eta=2**53)
    record.body = hub.broker.envelopes.pack(message.message_id, record, envelope)
    hub.scripts.client.set(hub.scripts.keys.record(message.message_id), pack_record(record))
    join()

    assert (len(runs), execution(message).status) == (2, Status.ERROR)
    assert all(thread.is_alive() for thread in worker.workers)


def test_retry_when_decides(broker: dramatiq.Broker, join: Join) -> None:
    runs: list[float] = []
    asked: list[tuple[int, str]] = []

    def thrice(retries: int, exception: BaseException) -> bool:
        asked.append((retries, type(exception).__name__))
        return retries < 3

    failing(runs, retry_when=thrice, max_retries=0, **AT_ONCE).send("KeyError")
    join()

    assert asked == [(0, "KeyError"), (1, "KeyError"), (2, "KeyError"), (3, "KeyError")]
    assert len(runs) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"max_retries": -1},
        {"max_retries": "3"},
        {"max_retries": 1.5},
        {"min_backoff": "soon"},
        {"max_backoff": -1},
        {"time_limit": "1h"},
        {"max_age": timedelta(hours=1)},
        {"retry_when": "always"},
        {"retry_policy": 3},
    ],
    ids=str,
)
def test_option_that_cant_be_followed_is_refused_where_it_is_declared(
    broker: dramatiq.Broker, options: dict[str, Any]
) -> None:
    (name,) = options
    with pytest.raises(InvalidHelper, match=f"Actor 'broken' has {name}="):
        failing([], **options)


@pytest.mark.parametrize(
    "options",
    [{"max_retries": "3"}, {"min_backoff": -5}, {"time_limit": float("inf")}, {"max_age": "1h"}, {"max_backoff": True}],
    ids=str,
)
def test_option_that_cant_be_followed_is_refused_where_it_is_sent(
    broker: dramatiq.Broker, options: dict[str, Any]
) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"A message for 'broken' has {name}="):
        failing([]).send_with_options(**options)


def test_rate_limit_that_is_exceeded_is_retried_and_no_error_line(
    broker: dramatiq.Broker, join: Join, redis_url: str, hub_name: str, execution: ExecutionOf
) -> None:
    backend = RedisBackend(url=redis_url)
    running: list[int] = []
    most: list[int] = []

    @dramatiq.actor(max_retries=200, min_backoff=5, max_backoff=20)
    def alone() -> None:
        with ConcurrentRateLimiter(backend, f"{hub_name}-mutex", limit=1).acquire():
            running.append(1)
            most.append(len(running))
            time.sleep(0.02)
            running.pop()

    messages = [alone.send() for _ in range(6)]
    join()
    backend.client.close()

    assert {execution(message).status for message in messages} == {Status.SUCCESS}
    assert (len(most), max(most)) == (6, 1)


def test_failure_names_type_and_text_of_the_exception(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor(max_retries=0)
    def broken() -> None:
        text = "no use"
        raise Mine(text)

    with pytest.raises(ResultFailure, match="actor raised Mine: no use") as caught:
        broken.send().get_result(block=True)

    assert (caught.value.orig_exc_type, caught.value.orig_exc_msg) == ("Mine", "no use")


def test_actors_max_retries_counts_though_the_sender_didnt_have_the_actor(
    hub: Hub, broker: dramatiq.Broker, worker: dramatiq.Worker
) -> None:
    """The queue's number of attempts held, for the sender knew no other."""
    sent = broker.enqueue(dramatiq.Message("default", "broken", (), {}, {}))
    runs: list[float] = []
    failing(runs, max_retries=1, **AT_ONCE)

    with pytest.raises(ResultFailure):
        sent.get_result(block=True)

    assert len(runs) == 2
