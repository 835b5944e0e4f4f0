"""Backoff: doubles, stops at its longest, follows a list, and spreads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import InvalidHelper
from helperhub.model.retry import RetryPolicy, backoff

SECOND = timedelta(seconds=1)
SPANS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=365))


@st.composite
def policies(draw: st.DrawFn) -> RetryPolicy:
    low, high = sorted((draw(SPANS), draw(SPANS)))
    delays = tuple(draw(st.lists(SPANS, max_size=4)))
    jitter = draw(st.floats(min_value=0, max_value=1))
    return RetryPolicy(min_backoff=low, max_backoff=high, delays=delays, jitter=jitter)


@given(policy=policies(), attempt=st.integers(1, 1000), spread=st.floats(0, 1))
def test_delay_stays_between_its_bounds(policy: RetryPolicy, attempt: int, spread: float) -> None:
    delay = backoff(attempt, policy, spread=spread)

    low = min(policy.delays) if policy.delays else policy.min_backoff
    high = max(policy.delays) if policy.delays else policy.max_backoff
    assert low <= delay <= high * (1 + policy.jitter) + timedelta(microseconds=1)


@given(policy=policies(), attempt=st.integers(1, 999))
def test_delay_never_gets_shorter_from_one_attempt_to_the_next(policy: RetryPolicy, attempt: int) -> None:
    if not policy.delays:
        assert backoff(attempt, policy, spread=0) <= backoff(attempt + 1, policy, spread=0)


def test_delay_doubles_until_its_longest() -> None:
    policy = RetryPolicy(min_backoff=SECOND, max_backoff=10 * SECOND, jitter=0)

    assert [backoff(n, policy, spread=1) // SECOND for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_list_of_delays_is_followed_and_its_last_repeats() -> None:
    policy = RetryPolicy(delays=(SECOND, 5 * SECOND), jitter=0)

    assert [backoff(n, policy, spread=0) // SECOND for n in range(1, 5)] == [1, 5, 5, 5]


def test_jitter_adds_its_part_of_the_delay() -> None:
    policy = RetryPolicy(min_backoff=8 * SECOND, jitter=0.25)

    assert [backoff(1, policy, spread=spread) / SECOND for spread in (0.0, 0.5, 1.0)] == [8.0, 9.0, 10.0]


def test_standard_policy_begins_at_fifteen_seconds_and_ends_at_an_hour() -> None:
    delays = [backoff(n, RetryPolicy(), spread=0) for n in (1, 2, 20)]

    assert delays == [timedelta(seconds=15), timedelta(seconds=30), timedelta(hours=1)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": 1001},
        {"jitter": 1.5},
        {"jitter": -0.1},
        {"min_backoff": -SECOND},
        {"min_backoff": timedelta(hours=2)},
        {"delays": (SECOND, -SECOND)},
    ],
    ids=str,
)
def test_policy_that_cant_be_followed_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidHelper):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="attempt=0"):
        backoff(0, RetryPolicy(), spread=0)
