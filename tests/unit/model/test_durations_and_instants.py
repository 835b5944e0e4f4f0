"""Durations and instants: what people write, and the numbers they travel as."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import UsageError
from helperhub.model.duration import format_duration, parse_duration, to_ms
from helperhub.model.instant import epoch_ms, from_ms, from_stamp, parse_instant, to_rfc3339, to_stamp


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("1 h 30 m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("500ms", timedelta(milliseconds=500)),
        ("0s", timedelta(0)),
    ],
)
def test_duration_is_numbers_with_a_unit_each(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["5", "0", "1.5", " 30 ", "-5"])
def test_bare_number_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match="has no unit") as caught:
        parse_duration(text)

    assert f"'{text.strip()}s'" in caught.value.hint


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-5s", "5m tomorrow", "h", "1,5h"])
def test_what_isnt_a_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_formatted_duration_reads_back(ms: int) -> None:
    duration = timedelta(milliseconds=ms)

    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(min_value=0, max_value=4 * 10**12))
def test_instant_reads_back_from_its_milliseconds(ms: int) -> None:
    assert epoch_ms(from_ms(ms)) == ms


@given(st.integers(min_value=0, max_value=4 * 10**9))
def test_instant_reads_back_from_its_stamp(seconds: int) -> None:
    at = from_ms(seconds * 1000)

    assert from_stamp(to_stamp(at)) == at


@given(st.integers(min_value=0, max_value=4 * 10**12))
def test_instant_reads_back_from_its_text(ms: int) -> None:
    assert parse_instant(to_rfc3339(from_ms(ms))) == from_ms(ms)


def test_text_of_an_instant_has_milliseconds_only_where_there_are_any() -> None:
    assert to_rfc3339(datetime(2026, 11, 23, 8, 30, tzinfo=UTC)) == "2026-11-23T08:30:00Z"
    assert to_rfc3339(from_ms(1_795_000_000_007)).endswith(".007Z")


def test_time_without_an_offset_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match="2026-11-23T08:30:00Z"):
        parse_instant("2026-11-23T08:30:00")


@pytest.mark.parametrize("text", ["", "noon", "2026-13-01T00:00:00Z"])
def test_what_isnt_a_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_time_that_utc_has_no_year_for_is_refused(text: str) -> None:
    """It was an OverflowError, so that a request with it was answered 500."""
    with pytest.raises(UsageError, match="year 1 or after 9999"):
        parse_instant(text)


def test_duration_that_is_too_long_is_refused() -> None:
    """It was an OverflowError, so that a request with it was answered 500."""
    with pytest.raises(UsageError, match="longer than 1000 years"):
        parse_duration("9" * 30 + "w")


@pytest.mark.parametrize("text", ["", "20261123", "20261123T0830Z", "20261323T083000Z"])
def test_what_isnt_a_stamp_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a planned time"):
        from_stamp(text)


def test_milliseconds_are_whole() -> None:
    assert to_ms(timedelta(microseconds=1_999)) == 1
