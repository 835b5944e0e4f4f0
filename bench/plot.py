"""Draws the results: ``python -m bench.plot DIRECTORY``, run by the command in an environment with matplotlib."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.measures import MEASURES, Figure, Medians
from bench.results import medians, read
from bench.sides import OURS, SIDES

_OURS, _OTHERS, _TARGET = "#d1495b", "#8d99ae", "#222222"
_FIGURES = {figure.name: figure for measure in MEASURES.values() for figure in measure.figures}
#: One panel each: figure, title, whether its axis is logarithmic.
_BARS = (
    ("drain_per_s", "Drain, jobs/s", False),
    ("latency_20ms_p50_ms", "Start after enqueue, every 20 ms, p50, ms", True),
    ("latency_20ms_p99_ms", "Start after enqueue, every 20 ms, p99, ms", True),
    ("enqueue_one_per_s", "Enqueue one by one, /s", False),
    ("enqueue_batch_per_s", "Enqueue in batches of 500, /s", False),
    ("latency_500ms_p99_ms", "Start after enqueue, every 500 ms, p99, ms", True),
    ("worker_cpu_us", "Worker CPU an execution, us", True),
    ("bytes_queued", "Redis bytes a queued job", True),
    ("calls_per_execution", "Redis calls an execution", True),
)
_COLUMNS = 3


def main() -> None:
    """Write plot.png beside results.json."""
    directory = Path(sys.argv[1])
    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice of what draws

    found = medians(read(directory))
    panels, axes = plt.subplots(len(_BARS) // _COLUMNS + 1, _COLUMNS, figsize=(17, 17), layout="constrained")
    flat = list(axes.flat)
    for axis, (name, title, logarithmic) in zip(flat, _BARS, strict=False):
        _draw_bars(axis, _FIGURES[name], title, found, logarithmic=logarithmic)
    _draw_scaling(flat[-3], found)
    _draw_backlog(flat[-2], found)
    _draw_ceiling(flat[-1], found)
    panels.suptitle("HelperHub and its rivals: medians; dashed: what HelperHub must reach", fontsize=14)
    panels.savefig(directory / "plot.png", dpi=80)


def _draw_bars(axis: Any, figure: Figure, title: str, found: Medians, *, logarithmic: bool) -> None:
    values = {side: found[side][figure.name] for side in SIDES if figure.name in found.get(side, {})}
    order = sorted(values, key=values.__getitem__, reverse=figure.lower_is_better)
    bars = axis.barh(
        [SIDES[side].label for side in order],
        [values[side] for side in order],
        color=[_OURS if side == OURS else _OTHERS for side in order],
    )
    axis.bar_label(bars, [f"{values[side]:,.{figure.digits}f}" for side in order], padding=3, fontsize=8)
    _draw_targets(axis, figure, found)
    if logarithmic and values:
        axis.set_xscale("log")
    axis.margins(x=0.15)
    axis.set_title(title, fontsize=11)
    axis.tick_params(labelsize=8)


def _draw_targets(axis: Any, figure: Figure, found: Medians) -> None:
    bounds = [bound for target in figure.targets if (bound := target.bound(found)) is not None]
    if bounds:
        strictest = min(bounds) if figure.lower_is_better else max(bounds)
        axis.axvline(strictest, color=_TARGET, linestyle="--", linewidth=1)


def _draw_scaling(axis: Any, found: Medians) -> None:
    processes = (1, 2, 4, 8)
    for side, colour in ((OURS, _OURS), ("dramatiq", _OTHERS)):
        rates = [found.get(side, {}).get(f"naps_{count}_per_s") for count in processes]
        if None not in rates:
            axis.plot(processes, rates, marker="o", color=colour, label=SIDES[side].label)
    axis.plot(processes, [count * 400 for count in processes], color=_TARGET, linestyle=":", label="linear")
    axis.plot(processes, [count * 360 for count in processes], color=_TARGET, linestyle="--", label="0.9 of linear")
    axis.set_title("Jobs that wait 20 ms, by worker processes of 8 threads, jobs/s", fontsize=11)
    axis.legend(fontsize=8)


def _draw_backlog(axis: Any, found: Medians) -> None:
    names = {"small": "small queue", "queued": "1,000,000 queued", "delayed": "100,000 delayed", "dead": "100,000 dead"}
    rates = {label: found.get(OURS, {}).get(f"backlog_{name}_per_s") for name, label in names.items()}
    measured = {label: rate for label, rate in rates.items() if rate is not None}
    if measured:
        bars = axis.barh(list(measured), list(measured.values()), color=_OURS)
        axis.bar_label(bars, [f"{rate:,.0f}" for rate in measured.values()], padding=3, fontsize=8)
        axis.axvline(0.9 * next(iter(measured.values())), color=_TARGET, linestyle="--", linewidth=1)
        axis.margins(x=0.15)
    axis.set_title("Drain beside a backlog, jobs/s", fontsize=11)
    axis.tick_params(labelsize=8)


def _draw_ceiling(axis: Any, found: Medians) -> None:
    _draw_bars(axis, _FIGURES["ceiling_per_s"], "Ceiling of one Redis, executions/s", found, logarithmic=False)


if __name__ == "__main__":
    main()
