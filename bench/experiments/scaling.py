"""Jobs that wait 20 ms, with more and more worker processes."""

from __future__ import annotations

import os
import time

from bench.sides import Side
from bench.sizes import Sizes
from bench.world import World

PROCESSES = (1, 2, 4, 8)
NAP_MS = 20
#: So long a worker process needs to start, with others on two cores.
_START_S = 0.8


def run_scaling(side: Side, sizes: Sizes, settings: dict[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures of one round, and the versions that were measured."""
    figures: dict[str, float] = {}
    for processes in PROCESSES:
        linear = processes * side.threads * 1000 / NAP_MS
        settle_s = _START_S * processes
        with World(side, settings) as world:
            world.enqueue("batch", "nap", int(linear * (settle_s + sizes.nap_s + 1)), NAP_MS)
            world.start_workers(processes=processes)
            world.wait(lambda: world.done() > 0, "a job is done")
            time.sleep(settle_s)
            begin = world.moment()
            time.sleep(sizes.nap_s)
            end = world.moment()
            seconds = end.at_s - begin.at_s
            used_s = end.worker_cpu_s - begin.worker_cpu_s + end.server_cpu_s - begin.server_cpu_s
            rate = (end.done - begin.done) / seconds
            figures[f"naps_{processes}_per_s"] = rate
            figures[f"naps_{processes}_of_linear"] = rate / linear
            figures[f"naps_{processes}_of_cores"] = used_s / seconds / (os.cpu_count() or 1)
    return figures, world.versions
