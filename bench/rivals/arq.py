"""arq, which keeps results for an hour. It has no batch call: 500 are sent together.

By default a worker looks for at most 100 jobs every half second; here it looks every 10 ms.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from arq import create_pool
from arq.connections import RedisSettings

from bench.rivals import work
from bench.rivals.loop import run

DISTRIBUTIONS = ("arq", "redis")

REDIS = RedisSettings(unix_socket_path=unquote(urlsplit(work.url()).path))


async def incr(_ctx: Any) -> None:
    await work.async_incr()


async def mark(_ctx: Any, sent_ns: int) -> None:
    await work.async_mark(sent_ns)


async def nap(_ctx: Any, ms: int) -> None:
    await work.async_nap(ms)


class WorkerSettings:
    """Read by arq's command."""

    functions = (incr, mark, nap)
    redis_settings = REDIS
    poll_delay = 0.01
    max_jobs = int(os.environ.get("BENCH_CONCURRENCY", "10"))


@cache
def _pool() -> Any:
    return run(create_pool(REDIS))


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    _pool()
    run(_each(job, arguments))


async def _each(job: str, arguments: list[list[Any]]) -> None:
    for given in arguments:
        await _pool().enqueue_job(job, *given)


def enqueue_batch(job: str, arguments: list[list[Any]]) -> None:
    _pool()
    run(_together(job, arguments))


async def _together(job: str, arguments: list[list[Any]]) -> None:
    await asyncio.gather(*(_pool().enqueue_job(job, *given) for given in arguments))


def workers(processes: int, threads: int) -> list[list[str]]:
    concurrency = ["env", f"BENCH_CONCURRENCY={threads}"]
    return [[*concurrency, sys.executable, "-m", "arq", "bench.rivals.arq.WorkerSettings"]] * processes
