"""What is done to a side; each experiment answers one or more measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.experiments.backlog import run_backlog
from bench.experiments.flow import run_flow
from bench.experiments.latency import run_latency
from bench.experiments.scaling import run_scaling
from bench.experiments.start import run_help, run_start
from bench.sides import OURS, SIDES, Side
from bench.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Experiment:
    """One thing that is done to sides.

    Args:
        run: Takes a side, how much, and settings of ours; returns one round's figures, and versions.
        sides: Only these; empty means all.
    """

    run: Callable[[Side, Sizes, dict[str, str]], tuple[dict[str, float], dict[str, str]]]
    sides: tuple[str, ...] = ()


EXPERIMENTS = {
    "flow": Experiment(run_flow),
    # What is tuned for throughput, or forks for every job, isn't the fastest to start one.
    "latency": Experiment(run_latency, tuple(name for name in SIDES if name not in {"dramatiq-tuned", "rq"})),
    "scaling": Experiment(run_scaling, (OURS, "dramatiq")),
    "backlog": Experiment(run_backlog, (OURS,)),
    "start": Experiment(run_start, (OURS, "dramatiq")),
    "help": Experiment(run_help, (OURS,)),
}
