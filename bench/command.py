"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import results
from bench.environments import python_of
from bench.experiments import EXPERIMENTS
from bench.machine import describe, state
from bench.measures import MEASURES
from bench.results import Rows
from bench.sides import OURS, SIDES
from bench.sizes import SCALES
from bench.table import as_markdown
from bench.world import ROOT

PLOT_PINS = Path(__file__).parent / "plot.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, print the table, and write everything where ``--out`` says."""
    options = _parser().parse_args(arguments)
    wanted = [MEASURES[name] for name in options.measures or MEASURES]
    out: Path | None = options.out
    signal.signal(signal.SIGTERM, _leave)
    rows = [] if options.only_show else measure(options, [found.experiment for found in wanted])
    if out is not None:
        rows = results.read(out)
        wanted = list(MEASURES.values())
    table = as_markdown(rows, wanted)
    print(table)
    if out is not None:
        (out / "table.md").write_text(table)
    if out is not None and options.plot:
        plot = [python_of("plot", PLOT_PINS), "-m", "bench.plot", str(out.resolve())]
        subprocess.run(plot, cwd=ROOT, check=True)
    return 0


def measure(options: argparse.Namespace, experiments: Sequence[str]) -> Rows:
    """Run each experiment with each side, turn about, and return the rounds."""
    settings = dict(entry.split("=", 1) for entry in options.set)
    machine = describe()
    rows: Rows = []
    for experiment in dict.fromkeys(experiments):
        run, only = EXPERIMENTS[experiment].run, EXPERIMENTS[experiment].sides
        sides = [SIDES[name] for name in options.sides if not only or name in only]
        for number in range(options.rounds):
            # Turn about, so that a machine that warms up or slows down favours nobody.
            for side in sides if number % 2 == 0 else reversed(sides):
                before = state()
                print(f"{experiment}: {side.name}, round {number + 1}", file=sys.stderr)
                given = settings if side.name == OURS else {}
                figures, versions = run(side, SCALES[options.scale], given)
                row = {"experiment": experiment, "side": side.name, "round": number + 1, **before}
                row |= {"figures": figures, "versions": versions, "settings": given, "machine": machine}
                rows.append(row)
                if options.out is not None:
                    results.write(options.out, [row], keep=options.add or number > 0)
    return rows


def _leave(signum: int, frame: object) -> None:
    """End in order, so that no server and no directory is left."""
    del signum, frame
    raise SystemExit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="measure", help=", ".join(MEASURES) + "; none means all")
    parser.add_argument("--sides", type=_sides, default=list(SIDES), help=", ".join(SIDES) + "; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", choices=SCALES, default="full", help="how much is done; full is what counts")
    parser.add_argument("--out", type=Path, help="directory for results.json, table.md and plot.png")
    parser.add_argument("--add", action="store_true", help="keep earlier rounds of the same, instead of replacing them")
    parser.add_argument("--only-show", action="store_true", help="measure nothing: write table and plot anew")
    parser.add_argument("--no-plot", dest="plot", action="store_false", help="no plot.png, which installs matplotlib")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of our side")
    return parser


def _sides(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SIDES]
    if unknown:
        message = f"no side is named {', '.join(unknown)}; there are {', '.join(SIDES)}"
        raise argparse.ArgumentTypeError(message)
    return names
