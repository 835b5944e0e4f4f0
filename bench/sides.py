"""The sides that are compared: HelperHub, and each rival at the settings it is measured at."""

from __future__ import annotations

from dataclasses import dataclass, field

OURS = "helperhub"


@dataclass(frozen=True, slots=True)
class Side:
    """One product at one setting.

    Args:
        name: On the command line and in the results.
        label: In tables.
        adapter: Module with its adapter.
        environment: Name of its requirements in bench/rivals; empty means the environment of this process.
        processes: Worker processes.
        threads: Threads, or what it has instead, of each.
        variables: Environment variables of its processes.
        jobs: Jobs that it gets to drain: about 4 seconds of work.
    """

    name: str
    label: str
    adapter: str
    environment: str
    processes: int = 2
    threads: int = 8
    variables: dict[str, str] = field(default_factory=dict)
    jobs: int = 20_000


SIDES = {
    side.name: side
    for side in (
        Side(OURS, "HelperHub", "bench.ours", "", processes=4, jobs=60_000),
        Side("dramatiq", "Dramatiq -p 2 -t 8", "bench.rivals.dramatiq", "dramatiq", jobs=16_000),
        Side(
            "dramatiq-tuned",
            "Dramatiq -p 4 -t 1, prefetch 1000",
            "bench.rivals.dramatiq",
            "dramatiq",
            processes=4,
            threads=1,
            variables={"dramatiq_queue_prefetch": "1000"},
            jobs=36_000,
        ),
        Side("huey", "Huey 2 x 4 threads", "bench.rivals.huey", "huey", threads=4, jobs=30_000),
        Side("taskiq", "taskiq stream, 2 workers", "bench.rivals.taskiq", "taskiq", threads=100, jobs=20_000),
        Side("saq", "SAQ 2 x 10", "bench.rivals.saq", "saq", threads=10, jobs=12_000),
        Side("arq", "arq 2 x 10, poll 10 ms", "bench.rivals.arq", "arq", threads=10, jobs=7_000),
        Side("celery", "Celery -c 2", "bench.rivals.celery", "celery", threads=1, jobs=4_000),
        Side("rq", "RQ, 2 forking workers", "bench.rivals.rq", "rq", threads=1, jobs=2_000),
        Side(
            "rq-simple",
            "RQ, 2 SimpleWorkers",
            "bench.rivals.rq",
            "rq",
            threads=1,
            variables={"BENCH_RQ_WORKER": "rq.worker.SimpleWorker"},
            jobs=2_000,
        ),
    )
}
