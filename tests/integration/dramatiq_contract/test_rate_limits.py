"""Dramatiq's rate limiters and barriers over the hub's own Redis: they know nothing of the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, RateLimitExceeded, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

from helperhub.model.execution import Execution, Status

Join = Callable[[], None]
ExecutionOf = Callable[[Any], Execution]


@pytest.fixture
def backend(redis_url: str) -> Iterator[RedisBackend]:
    found = RedisBackend(url=redis_url)
    yield found
    found.client.close()


def test_concurrent_limiter_lets_so_many_in_at_once(
    backend: RedisBackend, hub_name: str, broker: dramatiq.Broker, join: Join, execution: ExecutionOf
) -> None:
    limiter = ConcurrentRateLimiter(backend, f"{hub_name}-two", limit=2)
    lock, inside, most = threading.Lock(), [0], [0]

    @dramatiq.actor(max_retries=500, min_backoff=2, max_backoff=20)
    def work() -> None:
        with limiter.acquire():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            with lock:
                inside[0] -= 1

    messages = [work.send() for _ in range(12)]
    join()

    assert {execution(message).status for message in messages} == {Status.SUCCESS}
    assert most == [2]


def test_limiter_that_isnt_to_raise_says_no(backend: RedisBackend, hub_name: str) -> None:
    limiter = ConcurrentRateLimiter(backend, f"{hub_name}-one", limit=1)

    with limiter.acquire() as first, limiter.acquire(raise_on_failure=False) as second:
        assert (first, second) == (True, False)
    with pytest.raises(RateLimitExceeded), limiter.acquire(), limiter.acquire():
        pass


def test_bucket_limiter_lets_so_many_through_an_interval(backend: RedisBackend, hub_name: str) -> None:
    limiter = BucketRateLimiter(backend, f"{hub_name}-bucket", limit=3, bucket=3_600_000)

    granted = []
    for _ in range(5):
        with limiter.acquire(raise_on_failure=False) as acquired:
            granted.append(acquired)

    assert granted.count(True) == 3


def test_window_limiter_lets_so_many_through_a_window(backend: RedisBackend, hub_name: str) -> None:
    limiter = WindowRateLimiter(backend, f"{hub_name}-window", limit=3, window=60)

    granted = []
    for _ in range(5):
        with limiter.acquire(raise_on_failure=False) as acquired:
            granted.append(acquired)

    assert granted == [True, True, True, False, False]


def test_rate_limit_that_is_never_granted_ends_as_any_failure(
    backend: RedisBackend, hub_name: str, broker: dramatiq.Broker, join: Join, execution: ExecutionOf
) -> None:
    limiter = ConcurrentRateLimiter(backend, f"{hub_name}-taken", limit=1)

    @dramatiq.actor(max_retries=2, min_backoff=1, max_backoff=2)
    def work() -> None:
        with limiter.acquire():
            pass

    with limiter.acquire():
        message = work.send()
        join()

    found = execution(message)
    assert (found.status, found.attempt) == (Status.ERROR, 3)
    assert found.errors[-1].type == "dramatiq.errors.RateLimitExceeded"


def test_barrier_is_cleared_by_the_last_party(
    backend: RedisBackend, hub_name: str, broker: dramatiq.Broker, join: Join
) -> None:
    Barrier(backend, f"{hub_name}-barrier", ttl=60_000).create(parties=4)
    cleared: list[bool] = []

    @dramatiq.actor
    def arrive() -> None:
        cleared.append(Barrier(backend, f"{hub_name}-barrier", ttl=60_000).wait(block=False))

    for _ in range(4):
        arrive.send()
    join()

    assert sorted(cleared) == [False, False, False, True]


def test_parties_that_block_go_on_together(backend: RedisBackend, hub_name: str, broker: Any, join: Join) -> None:
    Barrier(backend, f"{hub_name}-together", ttl=60_000).create(parties=3)
    went: list[bool] = []

    @dramatiq.actor
    def meet() -> None:
        went.append(Barrier(backend, f"{hub_name}-together", ttl=60_000).wait(timeout=10_000))

    for _ in range(3):
        meet.send()
    join()

    assert went == [True, True, True]
