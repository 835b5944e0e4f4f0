"""The measures by name: which experiment answers each, its figures, and what they must reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bench.sides import OURS

#: Medians: side, figure, value.
Medians = Mapping[str, Mapping[str, float]]

RIVAL = "dramatiq"


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure of ours must reach.

    Args:
        text: As it is said in the table.
        bound: Takes all medians and returns the number; None while what it needs isn't measured.
        relative: Whether the number depends on a rival, so that the text doesn't have it.
    """

    text: str
    bound: Callable[[Medians], float | None]
    relative: bool = True


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Args:
        name: In the results.
        label: In the table, with its unit.
        targets: All must be reached.
        lower_is_better: Else higher is.
        digits: After the point, in the table.
        is_comparable: Whether a rival's value says anything.
    """

    name: str
    label: str
    targets: tuple[Target, ...] = ()
    lower_is_better: bool = True
    digits: int = 1
    is_comparable: bool = True


@dataclass(frozen=True, slots=True)
class Measure:
    """What can be asked for on the command line.

    Args:
        name: Its word.
        experiment: What is run for it; one run answers all measures of that experiment.
        figures: What it shows.
    """

    name: str
    experiment: str
    figures: tuple[Figure, ...]


def fixed(value: float, text: str) -> Target:
    """Return a target that is a number."""
    return Target(text, lambda _: value, relative=False)


def against(side: str, figure: str, factor: float, text: str) -> Target:
    """Return a target that is a multiple of one side's figure."""

    def bound(medians: Medians) -> float | None:
        value = medians.get(side, {}).get(figure)
        return None if value is None else value * factor

    return Target(text, bound)


def against_best(figure: str, factor: float, text: str, *, lower_is_better: bool) -> Target:
    """Return a target that is a multiple of the best rival's figure."""

    def bound(medians: Medians) -> float | None:
        best = best_rival(figure, medians, lower_is_better=lower_is_better)
        return None if best is None else factor * medians[best][figure]

    return Target(text, bound)


def best_rival(figure: str, medians: Medians, *, lower_is_better: bool) -> str | None:
    """Return the side, not ours, with the best value of a figure."""
    values = {side: found[figure] for side, found in medians.items() if side != OURS and figure in found}
    if not values:
        return None
    return (min if lower_is_better else max)(values, key=values.__getitem__)


def _scaling() -> Iterator[Figure]:
    for processes in (1, 2, 4, 8):
        name = f"naps_{processes}"
        several = "es" if processes > 1 else ""
        what = f"jobs that wait 20 ms, {processes} process{several}"
        yield Figure(f"{name}_per_s", f"{what} (jobs/s)", lower_is_better=False, digits=0)
        target = fixed(0.9, ">= 0.9 of linear")
        yield Figure(f"{name}_of_linear", f"{what}, of linear", (target,), lower_is_better=False, digits=2)
        yield Figure(f"{name}_of_cores", f"{what}, share of the cores in use, Redis included", digits=2)


def _backlog() -> Iterator[Figure]:
    yield Figure("backlog_small_per_s", "drain of a small queue (jobs/s)", lower_is_better=False, digits=0)
    yield Figure("backlog_small_script_p99_ms", "a script in Redis, small queue, p99 (ms)", digits=2)
    for name, what in (("queued", "1,000,000 queued"), ("delayed", "100,000 delayed"), ("dead", "100,000 dead")):
        target = fixed(0.9, ">= 0.9 of a small queue")
        yield Figure(f"backlog_{name}_per_s", f"drain with {what} (jobs/s)", lower_is_better=False, digits=0)
        yield Figure(
            f"backlog_{name}_of_small", f"drain with {what}, of small", (target,), lower_is_better=False, digits=2
        )
        yield Figure(f"backlog_{name}_growth_mb", f"growth of all worker processes, {what} (MB)", (fixed(5, "< 5"),))
        yield Figure(f"backlog_{name}_script_p99_ms", f"a script in Redis, {what}, p99 (ms)", digits=2)
    yield Figure("backlog_delayed_latency_p99_ms", "start after enqueue beside 100,000 delayed, p99 (ms)", digits=2)


def _latency(gap_ms: int) -> tuple[Figure, ...]:
    figures = []
    for percentile in ("p50", "p99"):
        name = f"latency_{gap_ms}ms_{percentile}_ms"
        target = against_best(name, 1.0, "<= best rival", lower_is_better=True)
        label = f"start after enqueue, one job every {gap_ms} ms, {percentile} (ms)"
        figures.append(Figure(name, label, (target,), digits=2))
    return tuple(figures)


MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            "drain",
            "flow",
            (
                Figure(
                    "drain_per_s",
                    "drain (jobs/s)",
                    (
                        against(RIVAL, "drain_per_s", 3.5, ">= 3.5 x Dramatiq -p 2 -t 8"),
                        against_best("drain_per_s", 1.5, ">= 1.5 x best rival", lower_is_better=False),
                    ),
                    lower_is_better=False,
                    digits=0,
                ),
            ),
        ),
        Measure(
            "latency",
            "latency",
            (
                *_latency(20),
                *_latency(500),
                Figure(
                    "quiet_worker_percent",
                    "quiet worker (% of a core)",
                    (fixed(0.5, "<= 0.5"),),
                    digits=2,
                ),
                Figure("quiet_server_percent", "Redis beside it (% of a core)", digits=2),
            ),
        ),
        Measure(
            "enqueue",
            "flow",
            (
                Figure(
                    "enqueue_one_per_s",
                    "enqueue one by one (/s)",
                    (against(RIVAL, "enqueue_one_per_s", 1.2, ">= 1.2 x Dramatiq"),),
                    lower_is_better=False,
                    digits=0,
                ),
                Figure(
                    "enqueue_batch_per_s",
                    "enqueue in batches of 500 (/s)",
                    (
                        fixed(60_000, ">= 60000"),
                        against_best("enqueue_batch_per_s", 3.0, ">= 3 x best rival", lower_is_better=False),
                    ),
                    lower_is_better=False,
                    digits=0,
                ),
            ),
        ),
        Measure(
            "calls",
            "flow",
            (
                Figure(
                    "calls_per_execution",
                    "Redis calls an execution, claim to record",
                    (fixed(0.3, "<= 0.3"),),
                    digits=2,
                ),
            ),
        ),
        Measure(
            "memory",
            "flow",
            (
                Figure("bytes_queued", "Redis bytes a queued job", (fixed(394, "<= 394"),), digits=0),
                Figure("bytes_finished", "Redis bytes a finished job", (fixed(250, "<= 250"),), digits=0),
            ),
        ),
        Measure(
            "cpu",
            "flow",
            (
                Figure(
                    "worker_cpu_us",
                    "worker CPU an execution (us)",
                    (against(RIVAL, "worker_cpu_us", 0.6, "<= 0.6 x Dramatiq -p 2 -t 8"),),
                    digits=0,
                ),
            ),
        ),
        Measure(
            "ceiling",
            "flow",
            (
                Figure("server_cpu_us", "Redis CPU an execution, with the job's INCR (us)"),
                Figure("incr_cpu_us", "of which the INCR, measured alone (us)", is_comparable=False),
                Figure(
                    "ceiling_per_s",
                    "ceiling of one Redis (executions/s)",
                    (fixed(40_000, ">= 40000"),),
                    lower_is_better=False,
                    digits=0,
                ),
            ),
        ),
        Measure("scaling", "scaling", tuple(_scaling())),
        Measure("backlog", "backlog", tuple(_backlog())),
        Measure(
            "start",
            "start",
            (Figure("start_s", "start of a worker to its first job (s)", (fixed(0.6, "<= 0.6"),), digits=2),),
        ),
        Measure(
            "help",
            "help",
            (
                Figure("help_s", "helperhub --help (s)", digits=3),
                Figure("import_click_s", "python -c 'import click' (s)", digits=3),
                Figure(
                    "help_of_import_click",
                    "--help, of a bare import of click",
                    (fixed(2.0, "<= 2"),),
                    digits=2,
                ),
            ),
        ),
    )
}


def reached(figure: Figure, medians: Medians) -> list[tuple[Target, float, bool]]:
    """Return each target of ``figure`` whose bound is known: its number, and whether ours reaches it."""
    ours = medians.get(OURS, {}).get(figure.name)
    if ours is None:
        return []
    bounds = [(target, target.bound(medians)) for target in figure.targets]
    return [
        (target, bound, ours <= bound if figure.lower_is_better else ours >= bound)
        for target, bound in bounds
        if bound is not None
    ]
