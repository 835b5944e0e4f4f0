"""Bars of a histogram: no duration is lost, none is in two."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from helperhub.model.histogram import bars_of

STEPS = st.dictionaries(st.integers(0, 290), st.integers(0, 5), max_size=40)


@given(STEPS, st.integers(1, 30))
def test_bars_hold_every_duration_once_and_follow_each_other(histogram: dict[int, int], most: int) -> None:
    bars = bars_of(histogram, most=most)

    assert len(bars) <= most
    assert sum(bar.count for bar in bars) == sum(histogram.values())
    assert all(before.last + 1 == bar.first for before, bar in pairwise(bars))
    assert all(bar.above_ms < bar.until_ms for bar in bars)


def test_first_step_begins_at_nothing() -> None:
    (bar,) = bars_of({0: 3}, most=5)

    assert (bar.above_ms, bar.until_ms, bar.count) == (0.0, 1.0, 3)
