"""What the jobs of every side do; needs redis-py and nothing else."""

from __future__ import annotations

import asyncio
import os
import time
from functools import cache
from typing import Any

import redis

#: Counts the jobs that are done, and holds when each mark was sent and started.
DONE, MARKS = "bench:done", "bench:marks"


def url() -> str:
    """Return the server that this side's queues and its jobs' effects are on."""
    return os.environ["BENCH_URL"]


@cache
def client() -> Any:
    """Return this process's connections for the jobs' own effect, made after the fork."""
    return redis.Redis.from_url(url())


@cache
def async_client() -> Any:
    """Return the same for jobs that are coroutines."""
    from redis import asyncio as redis_asyncio  # noqa: PLC0415 - only some sides have coroutines

    return redis_asyncio.Redis.from_url(url())


def incr() -> None:
    """Do one INCR."""
    client().incr(DONE)


def mark(sent_ns: int) -> None:
    """Write down when this was sent and when it started; CLOCK_MONOTONIC is one clock for a whole machine."""
    started_ns = time.monotonic_ns()
    client().rpush(MARKS, f"{sent_ns} {started_ns}")


def nap(ms: int) -> None:
    """Wait as for somebody's answer, then do one INCR."""
    time.sleep(ms / 1000)
    client().incr(DONE)


async def async_incr() -> None:
    """Do one INCR."""
    await async_client().incr(DONE)


async def async_mark(sent_ns: int) -> None:
    """Write down when this was sent and when it started."""
    started_ns = time.monotonic_ns()
    await async_client().rpush(MARKS, f"{sent_ns} {started_ns}")


async def async_nap(ms: int) -> None:
    """Wait as for somebody's answer, then do one INCR."""
    await asyncio.sleep(ms / 1000)
    await async_client().incr(DONE)
