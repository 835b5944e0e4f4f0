"""RQ with a pool of workers, which fork for every job; successes are kept for 500 s, as it does by default."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rq import Queue

from bench.rivals import work

DISTRIBUTIONS = ("rq", "redis")

FUNCTIONS = {"incr": work.incr, "mark": work.mark, "nap": work.nap}
queue = Queue("bench", connection=work.client())


def enqueue_each(job: str, arguments: list[list[Any]]) -> None:
    function = FUNCTIONS[job]
    for given in arguments:
        queue.enqueue(function, *given)


def enqueue_batch(job: str, arguments: list[list[Any]]) -> None:
    queue.enqueue_many([Queue.prepare_data(FUNCTIONS[job], args=tuple(given)) for given in arguments])


def workers(processes: int, threads: int) -> list[list[str]]:
    del threads
    kind = os.environ.get("BENCH_RQ_WORKER", "rq.worker.Worker")
    command = [str(Path(sys.executable).with_name("rq")), "worker-pool", "bench", "--quiet"]
    return [[*command, "--url", work.url(), "--num-workers", str(processes), "--worker-class", kind]]
