"""SAQ on Redis. It has no batch call: 500 are sent together."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from redis import asyncio as redis_asyncio
from saq.queue.redis import RedisQueue

from bench.rivals import work
from bench.rivals.loop import run

DISTRIBUTIONS = ("saq", "redis")

queue = RedisQueue(redis_asyncio.Redis.from_url(work.url()))


async def incr(_ctx: Any) -> None:
    await work.async_incr()


async def mark(_ctx: Any, *, sent_ns: int) -> None:
    await work.async_mark(sent_ns)


async def nap(_ctx: Any, *, ms: int) -> None:
    await work.async_nap(ms)


_NAMES = {"incr": (), "mark": ("sent_ns",), "nap": ("ms",)}
settings = {
    "queue": queue,
    "functions": [incr, mark, nap],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "8")),
}


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    run(_each(job, arguments))


async def _each(job: str, arguments: list[list[Any]]) -> None:
    for given in arguments:
        await queue.enqueue(job, **dict(zip(_NAMES[job], given, strict=True)))


def enqueue_batch(job: str, arguments: list[list[Any]]) -> None:
    run(_together(job, arguments))


async def _together(job: str, arguments: list[list[Any]]) -> None:
    await asyncio.gather(*(queue.enqueue(job, **dict(zip(_NAMES[job], given, strict=True))) for given in arguments))


def workers(processes: int, threads: int) -> list[list[str]]:
    concurrency = ["env", f"BENCH_CONCURRENCY={threads}"]
    return [[*concurrency, sys.executable, "-m", "saq", "bench.rivals.saq.settings", "--quiet"]] * processes
