"""Spans as hours, days and weeks: nothing left out, nothing twice, and few of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from helperhub.model.span import DAY_MS, HOUR_MS, LENGTHS_MS, WEEK_MS, Stretch, split_span

#: Thursday 2026-11-26, 0:00 UTC: a day and a week begin.
START = 2968 * WEEK_MS


def test_whole_week_is_one_row_of_weeks() -> None:
    assert split_span(START, START + WEEK_MS, hours_since_ms=0) == [Stretch("week", START, START + WEEK_MS)]


def test_ends_are_hours_and_the_middle_is_days() -> None:
    since, until = START - DAY_MS - HOUR_MS, START + 2 * DAY_MS + HOUR_MS

    assert split_span(since, until, hours_since_ms=0) == [
        Stretch("hour", since, since + HOUR_MS),
        Stretch("day", START - DAY_MS, START + 2 * DAY_MS),
        Stretch("hour", START + 2 * DAY_MS, until),
    ]


def test_end_for_which_hours_arent_kept_is_widened_to_a_day() -> None:
    found = split_span(START + HOUR_MS, START + 3 * DAY_MS + 1, hours_since_ms=START + 2 * DAY_MS)

    assert found == [
        Stretch("day", START, START + 3 * DAY_MS),
        Stretch("hour", START + 3 * DAY_MS, START + 3 * DAY_MS + HOUR_MS),
    ]


def test_span_without_length_is_nothing() -> None:
    assert split_span(START, START, hours_since_ms=0) == []


def test_year_is_a_hundred_rows_at_most() -> None:
    found = split_span(START - 364 * DAY_MS + 12_345, START + 54_321, hours_since_ms=0)

    assert sum((one.until_ms - one.since_ms) // LENGTHS_MS[one.period] for one in found) < 100


@given(
    since=st.integers(min_value=0, max_value=2 * WEEK_MS),
    length=st.integers(min_value=1, max_value=80 * DAY_MS),
    hours_since=st.none() | st.integers(min_value=0, max_value=20).map(lambda days: days * DAY_MS),
)
def test_stretches_cover_the_span_without_a_gap(since: int, length: int, hours_since: int | None) -> None:
    found = split_span(since, since + length, hours_since_ms=hours_since)

    assert found[0].since_ms <= since
    assert found[0].since_ms > since - DAY_MS
    assert since + length <= found[-1].until_ms < since + length + DAY_MS
    for before, after in pairwise(found):
        assert before.until_ms == after.since_ms
    for one in found:
        assert one.since_ms % LENGTHS_MS[one.period] == one.until_ms % LENGTHS_MS[one.period] == 0
        assert one.period != "hour" or (hours_since is not None and one.since_ms >= hours_since)
