"""The benchmarks: their page names what the command measures, every rival is pinned, and a small one works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bench.experiments import EXPERIMENTS
from bench.measures import MEASURES, Medians, reached
from bench.sides import OURS, SIDES

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
PINS = [*sorted((BENCH / "rivals").glob("*.txt")), BENCH / "plot.txt"]
FIGURES = {figure.name: figure for measure in MEASURES.values() for figure in measure.figures}


def test_measures_of_the_page_are_those_of_the_command() -> None:
    section = (BENCH / "README.md").read_text().partition("## What each measure means")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(MEASURES)


def test_every_measure_has_its_experiment_and_every_experiment_is_asked_for() -> None:
    assert {measure.experiment for measure in MEASURES.values()} == set(EXPERIMENTS)


@pytest.mark.parametrize("name", SIDES)
def test_side_has_an_adapter_and_an_environment(name: str) -> None:
    side = SIDES[name]

    assert (ROOT / f"{side.adapter.replace('.', '/')}.py").exists()
    assert side.environment == "" or (BENCH / "rivals" / f"{side.environment}.txt") in PINS


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.stem)
def test_environment_of_a_rival_is_pinned_by_name_and_version(path: Path) -> None:
    lines = path.read_text().splitlines()

    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", line)] == []


def test_target_that_is_missed_is_called_missed() -> None:
    medians: Medians = {
        OURS: {"drain_per_s": 12_000.0, "calls_per_execution": 0.31},
        "dramatiq": {"drain_per_s": 4_000.0},
        "huey": {"drain_per_s": 7_900.0},
    }

    drain = reached(FIGURES["drain_per_s"], medians)

    assert [(round(bound), good) for _, bound, good in drain] == [(14_000, False), (11_850, True)]
    assert [good for _, _, good in reached(FIGURES["calls_per_execution"], medians)] == [False]
    assert reached(FIGURES["bytes_queued"], medians) == []


@pytest.mark.timeout(60)
def test_small_run_of_our_own_side_gives_every_figure_of_its_measures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "drain", "--sides", OURS, "--scale", "tiny", "--rounds", "1"]

    done = subprocess.run(
        [*command, "--out", str(tmp_path), "--no-plot"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "results.json").read_text())
    wanted = {
        figure.name for measure in MEASURES.values() if measure.experiment == "flow" for figure in measure.figures
    }
    assert set(row["figures"]) == wanted
    assert all(value > 0 for value in row["figures"].values())
    assert row["machine"]["server"]
    assert len(row["load"]) == 3
    assert "| drain (jobs/s) |" in (tmp_path / "table.md").read_text()
