"""Celery on Redis with its forking pool, results ignored, events off."""

from __future__ import annotations

import sys
from typing import Any

from celery import Celery, group

from bench.rivals import work

DISTRIBUTIONS = ("celery", "kombu", "redis")

app = Celery("bench", broker=work.url().replace("unix://", "redis+socket://"))
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
TASKS = {
    name: app.task(name=name)(function)
    for name, function in {"incr": work.incr, "mark": work.mark, "nap": work.nap}.items()
}


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    task = TASKS[job]
    for given in arguments:
        task.delay(*given)


def enqueue_batch(job: str, arguments: list[list[Any]]) -> None:
    group(TASKS[job].s(*given) for given in arguments).apply_async()


def workers(processes: int, threads: int) -> list[list[str]]:
    command = [sys.executable, "-m", "celery", "-A", "bench.rivals.celery", "worker", "--loglevel", "ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [[*command, *quiet, "--concurrency", str(processes * threads)]]
