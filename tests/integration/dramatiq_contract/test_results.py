"""Results: each message's is there for those who ask, and Dramatiq's own backends can stand beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq.results import ResultFailure, ResultMissing, Results, ResultTimeout
from dramatiq.results.backends import RedisBackend

from helperhub import Hub
from helperhub.errors import InvalidHelper

Join = Callable[[], None]


@pytest.fixture
def add(broker: dramatiq.Broker) -> dramatiq.Actor[..., int]:
    @dramatiq.actor(store_results=True)
    def add(x: int, y: int) -> int:
        return x + y

    return add


@pytest.fixture
def backend(redis_url: str, hub_name: str) -> Iterator[RedisBackend]:
    found = RedisBackend(url=redis_url, namespace=hub_name)
    yield found
    found.client.close()


def test_result_is_missing_before_the_message_has_run(add: Any) -> None:
    message = add.send(1, 2)

    with pytest.raises(ResultMissing):
        message.get_result()
    started = time.monotonic()
    with pytest.raises(ResultTimeout):
        message.get_result(block=True, timeout=100)
    assert time.monotonic() - started < 5


def test_result_is_there_soon_after_the_message_has_run(add: Any, worker: dramatiq.Worker) -> None:
    """Dramatiq's polling doubled its pauses from 0.1 s up to minutes."""
    message = add.send_with_options(args=(1, 2), delay=700)
    started = time.monotonic()

    assert message.get_result(block=True) == 3
    assert time.monotonic() - started < 1.2


def test_result_can_be_asked_for_by_an_equal_message(add: Any, worker: dramatiq.Worker, broker: Any) -> None:
    message = add.send(1, 2)
    same: dramatiq.Message[int] = dramatiq.Message(**message.asdict())

    assert same.get_result(backend=broker.get_results_backend(), block=True) == 3


def test_result_of_a_retried_message_is_that_of_its_last_attempt(
    broker: dramatiq.Broker, worker: dramatiq.Worker
) -> None:
    runs: list[int] = []

    @dramatiq.actor(min_backoff=1, max_backoff=2)
    def flaky() -> int:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError
        return len(runs)

    assert flaky.send().get_result(block=True) == 3


def test_failure_is_raised_where_the_result_is_asked_for(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor(max_retries=0, store_results=True)
    def broken() -> None:
        message = "no use"
        raise RuntimeError(message)

    with pytest.raises(ResultFailure) as caught:
        broken.send().get_result(block=True)

    assert str(caught.value) == "actor raised RuntimeError: no use"


def test_result_that_isnt_to_be_stored_isnt(broker: dramatiq.Broker, join: Join, hub: Hub) -> None:
    @dramatiq.actor(store_results=False)
    def secret() -> str:
        return "hush"

    message = secret.send()
    join()

    assert message.get_result() is None
    assert hub.executions.get(message.message_id).result is None


def test_result_ttl_that_a_queue_keeps_anyway_is_taken(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    @dramatiq.actor(store_results=True, result_ttl=600_000)
    def one() -> int:
        return 1

    assert one.send().get_result(block=True) == 1


def test_result_ttl_beyond_what_its_queue_keeps_is_refused(broker: dramatiq.Broker) -> None:
    with pytest.raises(InvalidHelper, match="HELPERHUB_QUEUES__DEFAULT__RESULT_TTL"):

        @dramatiq.actor(store_results=True, result_ttl=7 * 86_400_000)
        def one() -> int:
            return 1


def test_dramatiqs_own_backend_may_stand_beside(
    broker: dramatiq.Broker, worker: dramatiq.Worker, backend: RedisBackend
) -> None:
    broker.add_middleware(Results(backend=backend))

    @dramatiq.actor(store_results=True)
    def add(x: int, y: int) -> int:
        return x + y

    message = add.send(1, 2)

    assert message.get_result(backend=backend, block=True) == 3
    assert message.get_result(block=True) == 3
