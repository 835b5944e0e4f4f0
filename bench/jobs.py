"""The jobs that both sides run, declared on whatever broker is set: one INCR, and one clock reading."""

from __future__ import annotations

import os
import time
from typing import Any

import dramatiq
import redis

_client: redis.Redis | None = None


def client() -> Any:
    """Return this process's connection for the jobs' own effect."""
    global _client  # noqa: PLW0603 - one connection a worker process, made after the fork
    if _client is None:
        _client = redis.Redis.from_url(os.environ["BENCH_URL"])
    return _client


def declare() -> None:
    """Declare the actors on the broker that is set."""

    @dramatiq.actor(actor_name="bench_incr", max_retries=0)
    def bench_incr() -> None:
        client().incr("bench:done")

    @dramatiq.actor(actor_name="bench_latency", max_retries=0)
    def bench_latency(sent_ns: int) -> None:
        # CLOCK_MONOTONIC is one clock for all processes of a machine.
        client().rpush("bench:latency", time.monotonic_ns() - sent_ns)
