"""Huey on Redis: its consumer with threads. It has no batch call, and keeps only results that aren't None."""

from __future__ import annotations

import sys
from typing import Any

from huey import RedisHuey

from bench.rivals import work

DISTRIBUTIONS = ("huey", "redis")

huey = RedisHuey("bench", url=work.url())
TASKS = {
    name: huey.task(name=name)(function)
    for name, function in {"incr": work.incr, "mark": work.mark, "nap": work.nap}.items()
}


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    task = TASKS[job]
    for given in arguments:
        task(*given)


enqueue_batch = enqueue_each


def workers(processes: int, threads: int) -> list[list[str]]:
    command = [sys.executable, "-m", "huey.bin.huey_consumer", "bench.rivals.huey.huey"]
    return [[*command, "-q", "-n", "-k", "thread", "-w", str(threads)]] * processes
