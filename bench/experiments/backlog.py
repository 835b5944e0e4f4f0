"""Whether what lies in Redis slows down what is being done: a million queued, 100,000 delayed, 100,000 dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.experiments.latency import send_marks
from bench.processes import resident_bytes
from bench.rivals.work import DONE
from bench.sides import Side
from bench.sizes import Sizes
from bench.world import World

_MARKS = 50


@dataclass(frozen=True, slots=True)
class _Seen:
    per_s: float
    script_p99_ms: float
    memory: int


def run_backlog(side: Side, sizes: Sizes, settings: dict[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures of one round, and the versions that were measured."""
    figures: dict[str, float] = {}
    count = max(100, int(side.jobs * sizes.share / 2))
    prepare: dict[str, Callable[[World], None]] = {
        "small": lambda _: None,
        "queued": lambda world: _enqueue(world, "batch", sizes.backlog),
        "delayed": lambda world: _enqueue(world, "delayed", sizes.delayed),
        "dead": lambda world: _make_dead(world, sizes.dead),
    }
    small: _Seen | None = None
    for name, fill in prepare.items():
        with World(side, settings) as world:
            fill(world)
            seen = _drain(world, count, sizes)
            small = small or seen
            figures[f"backlog_{name}_per_s"] = seen.per_s
            figures[f"backlog_{name}_script_p99_ms"] = seen.script_p99_ms
            if name != "small":
                figures[f"backlog_{name}_of_small"] = seen.per_s / small.per_s
                figures[f"backlog_{name}_growth_mb"] = (seen.memory - small.memory) / 1e6
            if name == "delayed":
                waits = sorted(send_marks(world, count=_MARKS, gap_s=0.02))
                figures["backlog_delayed_latency_p99_ms"] = waits[int(len(waits) * 0.99)]
    return figures, world.versions


def _drain(world: World, count: int, sizes: Sizes) -> _Seen:
    """Enqueue ``count`` more and watch as many being done."""
    world.enqueue("batch", "incr", count)
    world.wait(
        lambda: not world.client.info("persistence")["aof_rewrite_in_progress"], "the server is done", seconds=90
    )
    world.client.config_resetstat()
    world.start_workers()
    begin, end = world.watch(count, limit_s=sizes.watch_s)
    memory = sum(resident_bytes(world.worker_pids).values())
    latencies = world.client.info("latencystats")
    of_scripts = [found["p99"] for name, found in latencies.items() if name.endswith(("_evalsha", "_fcall"))]
    return _Seen((end.done - begin.done) / (end.at_s - begin.at_s), max(of_scripts, default=0.0) / 1000, memory)


def _let_server_finish(world: World) -> None:
    """Wait until the append-only file isn't being rewritten, which growth by so much may have set off."""
    asked = world.client.info
    world.wait(lambda: not asked("persistence")["aof_rewrite_in_progress"], "the file is rewritten", seconds=90)


def _enqueue(world: World, how: str, count: int) -> None:
    world.enqueue(how, "incr", count)


def _make_dead(world: World, count: int) -> None:
    world.enqueue("batch", "fail", count)
    world.start_workers()
    world.wait(lambda: world.done() >= count, f"{count} jobs fail", seconds=60 + count / 500)
    world.stop_workers()
    world.client.delete(DONE)
