"""How soon a job starts on an idle system, and what a quiet worker uses."""

from __future__ import annotations

import statistics
import time

from bench.processes import precise_cpu_s
from bench.rivals.work import MARKS
from bench.sides import Side
from bench.sizes import Sizes
from bench.world import World

_SETTLE_S = 2.0


def run_latency(side: Side, sizes: Sizes, settings: dict[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures of one round, and the versions that were measured."""
    figures: dict[str, float] = {}
    with World(side, settings) as world:
        world.start_workers()
        send_marks(world, count=20, gap_s=0.05)  # every process has started and made its connections
        time.sleep(min(_SETTLE_S, sizes.quiet_s))
        before, started = precise_cpu_s(world.worker_pids), time.monotonic()
        server_before = world.moment().server_cpu_s
        time.sleep(sizes.quiet_s)
        server_used = world.moment().server_cpu_s - server_before
        used, seconds = precise_cpu_s(world.worker_pids) - before, time.monotonic() - started
        figures["quiet_worker_percent"] = used / seconds * 100
        figures["quiet_server_percent"] = server_used / seconds * 100
        for gap_ms, count in ((20, sizes.marks_20ms), (500, sizes.marks_500ms)):
            waits = sorted(send_marks(world, count=count, gap_s=gap_ms / 1000))
            figures[f"latency_{gap_ms}ms_p50_ms"] = statistics.median(waits)
            figures[f"latency_{gap_ms}ms_p99_ms"] = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
        return figures, world.versions


def send_marks(world: World, *, count: int, gap_s: float) -> list[float]:
    """Send jobs with pauses; return how long each waited, from before the call that enqueued it, ms."""
    world.client.delete(MARKS)
    world.order("marks", count=count, gap_s=gap_s)
    world.wait(lambda: world.client.llen(MARKS) >= count, f"{count} jobs start")
    return [(started - sent) * 1000 for sent, started in world.marks()]
