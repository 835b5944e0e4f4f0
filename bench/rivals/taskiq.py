"""taskiq on a Redis stream, without a result backend. It has no batch call: 500 are sent together."""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from typing import Any

from taskiq_redis import RedisStreamBroker

from bench.rivals import work
from bench.rivals.loop import run

DISTRIBUTIONS = ("taskiq", "taskiq-redis", "redis")

# From the first entry on: by default what was sent before the first worker came is never run.
broker = RedisStreamBroker(url=work.url(), consumer_id="0")
TASKS = {
    name: broker.task(task_name=name)(function)
    for name, function in {"incr": work.async_incr, "mark": work.async_mark, "nap": work.async_nap}.items()
}


@cache
def _start() -> None:
    run(broker.startup())


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    _start()
    run(_each(job, arguments))


async def _each(job: str, arguments: list[list[Any]]) -> None:
    for given in arguments:
        await TASKS[job].kiq(*given)


def enqueue_batch(job: str, arguments: list[list[Any]]) -> None:
    _start()
    run(_together(job, arguments))


async def _together(job: str, arguments: list[list[Any]]) -> None:
    await asyncio.gather(*(TASKS[job].kiq(*given) for given in arguments))


def workers(processes: int, threads: int) -> list[list[str]]:
    command = [sys.executable, "-m", "taskiq", "worker", "bench.rivals.taskiq:broker", "--log-level", "ERROR"]
    return [[*command, "--workers", str(processes), "--max-async-tasks", str(threads)]]
