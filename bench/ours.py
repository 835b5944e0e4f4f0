"""HelperHub as a side of the benchmarks: its adapter (see `bench.rivals`), and the plugin that has the jobs.

Everything is as it is by default: history, leases, retries, records, signatures.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import cache
from typing import Any

from bench.rivals import work
from helperhub import Context, Hub, RetryPolicy, helper, hookimpl

DISTRIBUTIONS = ("helperhub", "dramatiq", "redis")


@helper(overlap="allow")
def incr(ctx: Context[Any]) -> None:
    """Do one INCR."""
    del ctx
    work.incr()


@helper(overlap="allow")
def mark(ctx: Context[Any]) -> None:
    """Write down when this was sent and when it started."""
    work.mark(ctx.payload)


@helper(overlap="allow")
def nap(ctx: Context[Any]) -> None:
    """Wait as for somebody's answer, then do one INCR."""
    work.nap(ctx.payload)


@helper(overlap="allow", retry=RetryPolicy(max_attempts=1))
def fail(ctx: Context[Any]) -> None:
    """Become a dead letter."""
    del ctx
    work.incr()
    message = "fails as asked"
    raise RuntimeError(message)


HELPERS = {found.name: found for found in (incr, mark, nap, fail)}


@hookimpl
def helperhub_register(hub: Any) -> None:
    """Bring the jobs in."""
    for found in HELPERS.values():
        hub.add(found)


@cache
def _hub() -> Hub:
    hub = Hub.from_env()
    hub.load_plugins()
    hub.register()
    return hub


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    _hub()
    send = HELPERS[job].send
    for given in arguments:
        send(*given)


def enqueue_batch(job: str, arguments: list[list[Any]]) -> None:
    _hub().enqueue_many((job, given[0] if given else None) for given in arguments)


def enqueue_delayed(job: str, arguments: list[list[Any]]) -> None:
    """Enqueue what is due in an hour."""
    hub = _hub()
    messages = [HELPERS[job].message(*given) for given in arguments]
    hub.broker.enqueue_many(messages, delay=int(timedelta(hours=1).total_seconds() * 1000))


def workers(processes: int, threads: int) -> list[list[str]]:
    counts = ["--processes", str(processes), "--threads", str(threads)]
    return [[sys.executable, "-m", "helperhub", "worker", *counts]]
