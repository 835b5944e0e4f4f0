"""What one execution costs a worker process, step by step, in one thread: ``python -m bench.path``.

Claimer, a worker thread of Dramatiq and settler take turns instead of running beside each other, so that neither
threads nor the interpreter lock (GIL) are in what is measured. The function does nothing. Wall time; a step's wait for
Redis is in it. The smallest of several rounds is printed: what else runs on the machine only adds.
"""

# ruff: noqa: SLF001 - it does by hand what the threads do
from __future__ import annotations

import logging
import os
import time
from typing import Any

import dramatiq
from dramatiq.worker import ConsumerThread, WorkerThread

from helperhub import Context, Hub, helper
from helperhub.broker.claimer import Claimer
from helperhub.broker.settler import MAX_BATCH, Settler
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub

ROUNDS, JOBS, AT_ONCE = 8, 3_200, 64


@helper(overlap="allow")
def nothing(ctx: Context[Any]) -> None:
    """Do nothing."""
    del ctx


def main() -> None:
    """Print microseconds an execution."""
    logging.disable(logging.WARNING)
    # Their threads would take part.
    Claimer.begin_claiming = lambda _: None  # type: ignore[method-assign]
    Settler.start = lambda _: None  # type: ignore[method-assign]
    with ServerForTests() as server:
        hub = build_hub([nothing], url=server.url, settings={"HELPERHUB_WORKER__SETTLE_WINDOW": "1000000"})
        hub.register()
        thread = build_thread(hub)
        rounds = [measure(hub, thread) for _ in range(ROUNDS)]
    for step in rounds[0]:
        print(f"{step:<22} {min(found[step] for found in rounds):6.1f} us", flush=True)
    os._exit(0)  # nothing to end in order: what would be joined was never started


def build_thread(hub: Hub) -> WorkerThread:
    """Return a worker thread that doesn't run, of a worker that has begun."""
    broker = hub.broker
    broker.emit_before("worker_boot", dramatiq.Worker(broker, worker_threads=1))
    consumer = ConsumerThread(
        broker=broker, queue_name="default", prefetch=1, work_queue=broker.intake, worker_timeout=100
    )
    consumer.consumer = broker.consume("default")
    broker.intake.open("default")
    broker.claimer.join()
    return WorkerThread(broker=broker, consumers={"default": consumer}, work_queue=broker.intake, worker_timeout=100)


def measure(hub: Hub, thread: WorkerThread) -> dict[str, float]:
    """Enqueue and run `JOBS` executions; return microseconds an execution by step."""
    claimer, settler, intake = hub.broker.claimer, hub.broker.settler, hub.broker.intake
    at = time.perf_counter()
    hub.enqueue_many(("nothing", None) for _ in range(JOBS))
    spent = {"enqueue, 500 at once": time.perf_counter() - at, "claim and open": 0.0, "run": 0.0, "settle": 0.0}
    done = 0
    while done < JOBS:
        begun = time.perf_counter()
        claimer._claim(AT_ONCE, ["default"], will_wait=False, waited=False)
        claimed = time.perf_counter()
        while intake.has_work:
            thread.process_message(intake.get_nowait().message)
            done += 1
        ran = time.perf_counter()
        batch = [settler._pending.popleft() for _ in range(min(len(settler._pending), MAX_BATCH))]
        settler._settle(batch)
        settler._on_settled(batch)
        settler._unsettled -= len(batch)
        spent["claim and open"] += claimed - begun
        spent["run"] += ran - claimed
        spent["settle"] += time.perf_counter() - ran
    return {step: seconds / JOBS * 1e6 for step, seconds in spent.items()}


if __name__ == "__main__":
    main()
