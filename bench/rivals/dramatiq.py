"""Dramatiq's own RedisBroker with its default middleware; it keeps no history."""

from __future__ import annotations

import sys
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.rivals import work

DISTRIBUTIONS = ("dramatiq", "redis")

broker = RedisBroker(url=work.url())
dramatiq.set_broker(broker)
ACTORS = {
    name: dramatiq.actor(function, actor_name=name)
    for name, function in {"incr": work.incr, "mark": work.mark, "nap": work.nap}.items()
}


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    actor = ACTORS[job]
    for given in arguments:
        actor.send(*given)


def enqueue_batch(job: str, arguments: list[list[Any]]) -> None:
    dramatiq.group([ACTORS[job].message(*given) for given in arguments]).run()


def workers(processes: int, threads: int) -> list[list[str]]:
    counts = ["-p", str(processes), "-t", str(threads)]
    return [[sys.executable, "-m", "dramatiq", "bench.rivals.dramatiq", *counts, "--skip-logging"]]
