"""Durations counted by steps that grow by a tenth: small, addable, and good for percentiles.

Step n holds what is above 1.1 ** (n - 1) and up to 1.1 ** n ms, step 0 what is up to 1 ms, so that a
percentile read from it is off by 5 % at most. After the DDSketch of Masson, Rim and Lee (VLDB 2019).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_GROWTH = math.log(1.1)
#: Above 34 years nothing is told apart.
_LAST = 290

Histogram = dict[int, int]


@lru_cache(maxsize=16_384)
def step_of(duration_ms: float) -> int:
    """Return the step of a duration; one below 0, where a clock ran back, is in step 0."""
    if duration_ms <= 1:
        return 0
    return min(math.ceil(math.log(duration_ms) / _GROWTH - 1e-9), _LAST)


def count_in(histogram: Histogram, duration_ms: float) -> None:
    """Count one duration."""
    step = step_of(duration_ms)
    histogram[step] = histogram.get(step, 0) + 1


def add_to(histogram: Histogram, other: Mapping[int, int]) -> None:
    """Add the counts of ``other``."""
    for step, count in other.items():
        histogram[step] = histogram.get(step, 0) + count


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """Return the ms that a share (0.0 to 1.0) of the durations don't exceed; None if there are none."""
    total = sum(histogram.values())
    if not total:
        return None
    rank = max(1, math.ceil(share * total))
    for step in sorted(histogram):
        rank -= histogram[step]
        if rank <= 0:
            return 1.0 if step == 0 else 1.1**step * (2 / 2.1)
    raise AssertionError  # the ranks add up to the total


@dataclass(frozen=True, slots=True)
class Bar:
    """Neighbouring steps together.

    Args:
        first: The first step.
        last: The last one.
        count: How many durations they hold.
    """

    first: int
    last: int
    count: int

    @property
    def above_ms(self) -> float:
        """What its durations are longer than, ms."""
        return 0.0 if self.first == 0 else 1.1 ** (self.first - 1)

    @property
    def until_ms(self) -> float:
        """What its durations are at most, ms."""
        return float(1.1**self.last)


def bars_of(histogram: Mapping[int, int], *, most: int) -> list[Bar]:
    """Return a histogram as ``most`` bars or fewer, of as many steps each, without gaps; none if it is empty."""
    steps = [step for step, count in histogram.items() if count]
    if not steps:
        return []
    first, last = min(steps), max(steps)
    width = -(-(last - first + 1) // most)
    return [
        Bar(at, at + width - 1, sum(histogram.get(step, 0) for step in range(at, at + width)))
        for at in range(first, last + 1, width)
    ]


def dump_histogram(histogram: Mapping[int, int]) -> str:
    """Return it as JSON: an object of counts by step."""
    return json.dumps({str(step): histogram[step] for step in sorted(histogram)}, separators=(",", ":"))


def load_histogram(text: str) -> Histogram:
    """Return what `dump_histogram` wrote.

    Raises:
        ValueError: ``text`` is something else.
    """
    return {int(step): int(count) for step, count in json.loads(text).items()}


__all__ = [
    "Bar",
    "Histogram",
    "add_to",
    "bars_of",
    "count_in",
    "dump_histogram",
    "load_histogram",
    "percentile",
    "step_of",
]
