"""The pace: as many threads take work as help, by what the process is seen to do."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from helperhub.broker.pace import LEAST, Pace


@dataclass
class Process:
    """A process whose clocks the test moves."""

    now: float = 100.0
    used: float = 0.0
    starved: float = 0.0

    def pace(self, threads: int = 8) -> Pace:
        return Pace(threads, clock=lambda: self.now, used_s=lambda: self.used, starved_s=lambda: self.starved)

    def run(self, pace: Pace, seconds: float, *, share: float, starved: float = 0.0) -> int:
        """Let time pass in steps of 6 ms; ``share`` of a core is used, and ``starved`` wanted."""
        for _ in range(int(seconds / 0.006)):
            self.now += 0.006
            self.used += 0.006 * share
            self.starved += 0.006 * starved
            pace.look()
        return pace.target


def test_process_that_is_busy_all_the_time_keeps_two_threads() -> None:
    process = Process()

    assert process.run(process.pace(), 2.0, share=0.97) == LEAST


def test_threads_that_mostly_wait_are_all_let_in_within_20_ms() -> None:
    process = Process()
    pace = process.pace()

    assert process.run(pace, 0.02, share=0.05) == 8


def test_half_busy_process_lets_in_one_more_after_the_other() -> None:
    process = Process()
    pace = process.pace()

    assert process.run(pace, 0.12, share=0.6) == LEAST + 2
    assert process.run(pace, 1.0, share=0.6) == 8


def test_process_that_gets_no_core_isnt_helped_by_more_threads() -> None:
    process = Process()

    assert process.run(process.pace(), 1.0, share=0.5, starved=0.6) == LEAST


def test_code_that_runs_side_by_side_gets_all_threads() -> None:
    process = Process()

    assert process.run(process.pace(), 1.0, share=3.0) == 8


def test_threads_are_held_back_again_once_the_process_is_busy() -> None:
    process = Process()
    pace = process.pace()
    assert process.run(pace, 0.1, share=0.05) == 8

    assert process.run(pace, 1.0, share=0.98) == LEAST


def test_pause_says_nothing_about_what_follows() -> None:
    process = Process()
    pace = process.pace()
    process.now += 60.0

    assert pace.look() == LEAST


@pytest.mark.parametrize("threads", [1, 2])
def test_worker_of_few_threads_has_no_more(threads: int) -> None:
    process = Process()

    assert process.run(process.pace(threads), 1.0, share=0.1) == threads


def test_real_process_is_measured() -> None:
    pace = Pace(8)
    end = time.monotonic() + 5.0

    while pace.look() < 8 and time.monotonic() < end:
        time.sleep(0.006)

    assert pace.target == 8
