"""RFC 9110, section 10.2.3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from helperhub_weather.retry_after import parse_retry_after

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("0", 1),
        ("86400", 3600),
        ("9" * 400, 3600),
        ("Mon, 23 Nov 2026 12:05:00 GMT", 300),
        ("Mon, 23 Nov 2026 12:05:00 -0000", 300),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 1),
        ("Tue, 24 Nov 2026 12:00:00 GMT", 3600),
    ],
)
def test_delay_is_read_and_kept_between_a_second_and_an_hour(header: str, seconds: int) -> None:
    assert parse_retry_after(header, now=NOON) == timedelta(seconds=seconds)


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "²", "Mon, 99 Nov 2026 12:05:00 GMT"])
def test_header_that_says_nothing_leaves_the_delay_to_the_policy(header: str | None) -> None:
    assert parse_retry_after(header, now=NOON) is None
