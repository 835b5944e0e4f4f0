"""How much each experiment does: full for figures that count, small for a look, tiny for a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts, and seconds that bound the time.

    Args:
        share: Of each side's own number of jobs.
        singles: Jobs enqueued one at a time.
        watch_s: A side that is slower than thought is watched no longer than this.
        quiet_s: How long a worker is left without work.
        marks_20ms: Jobs sent with gaps of 20 ms.
        marks_500ms: Jobs sent with gaps of 500 ms.
        nap_s: Seconds of work for jobs that wait.
        backlog: Jobs that are queued, besides those that are counted.
        delayed: Jobs that are due in an hour.
        dead: Dead letters.
        starts: Starts of a worker.
    """

    share: float
    singles: int
    watch_s: float
    quiet_s: float
    marks_20ms: int
    marks_500ms: int
    nap_s: float
    backlog: int
    delayed: int
    dead: int
    starts: int


SCALES = {
    "full": Sizes(
        share=1.0,
        singles=4000,
        watch_s=10.0,
        quiet_s=10.0,
        marks_20ms=200,
        marks_500ms=24,
        nap_s=4.0,
        backlog=1_000_000,
        delayed=100_000,
        dead=100_000,
        starts=5,
    ),
    "small": Sizes(
        share=0.25,
        singles=1000,
        watch_s=5.0,
        quiet_s=3.0,
        marks_20ms=50,
        marks_500ms=6,
        nap_s=1.0,
        backlog=50_000,
        delayed=10_000,
        dead=5_000,
        starts=2,
    ),
    "tiny": Sizes(
        share=0.01,
        singles=50,
        watch_s=2.0,
        quiet_s=0.2,
        marks_20ms=5,
        marks_500ms=1,
        nap_s=0.1,
        backlog=500,
        delayed=200,
        dead=100,
        starts=1,
    ),
}
