"""How soon a worker that is started runs its first job, and how soon the command line answers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from bench.rivals.work import MARKS
from bench.sides import Side
from bench.sizes import Sizes
from bench.world import ROOT, World


def run_start(side: Side, sizes: Sizes, settings: dict[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures of one round, and the versions that were measured."""
    with World(side, settings) as world:
        _start_once(world)  # what is compiled at the first start stays
        return {"start_s": statistics.median(_start_once(world) for _ in range(sizes.starts))}, world.versions


def _start_once(world: World) -> float:
    """Return how long the first job, which waits already, takes to start from the worker's command on, seconds."""
    world.client.delete(MARKS)
    world.enqueue("each", "mark", 1, 0)
    started_s = world.start_workers()
    world.wait(lambda: world.client.llen(MARKS) > 0, "the first job starts")
    world.stop_workers()
    return world.marks()[0][1] - started_s


def run_help(side: Side, sizes: Sizes, settings: dict[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures of one round; ``side`` is ours."""
    del side, settings
    seconds: dict[str, list[float]] = {"help_s": [], "import_click_s": []}
    for _ in range(1 + 2 * sizes.starts):
        for name, command in (("help_s", ["-m", "helperhub", "--help"]), ("import_click_s", ["-c", "import click"])):
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - started)
    found = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return {**found, "help_of_import_click": found["help_s"] / found["import_click_s"]}, {}
