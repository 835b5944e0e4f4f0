"""Who is counted as one: an address, or the network that one customer has."""

from __future__ import annotations

import pytest

from helperhub.api.throttle import Throttle, neighbours_of
from helperhub.errors import TooMany


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("x" * 5000, "x" * 100),
    ],
)
def test_address_is_counted_under_its_network(address: str, counted: str) -> None:
    assert neighbours_of(address) == counted


def test_guesses_from_many_addresses_of_one_network_count_together() -> None:
    # Once, each of the 2^64 addresses of a customer had guesses of its own.
    throttle = Throttle(per_minute=10, failures_per_minute=3, clock=lambda: 0.0)
    for last in range(3):
        throttle.note_failure(f"2001:db8::{last}")

    with pytest.raises(TooMany):
        throttle.check_failures("2001:db8::99")
    throttle.check_failures("2001:db8:0:1::")


def test_address_that_waits_is_remembered_while_it_goes_on_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    # Once, the one that waited was forgotten first, and had all its guesses again.
    monkeypatch.setattr("helperhub.api.throttle._MOST", 5)
    throttle = Throttle(per_minute=10, failures_per_minute=1, clock=lambda: 0.0)
    throttle.note_failure("203.0.113.7")
    for other in range(20):
        throttle.note_failure(f"198.51.100.{other}")

        with pytest.raises(TooMany):
            throttle.check_failures("203.0.113.7")


def test_no_more_names_are_remembered_than_there_is_room_for() -> None:
    throttle = Throttle(per_minute=10, failures_per_minute=1, clock=lambda: 0.0)
    for number in range(12_000):
        throttle.note_failure(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(throttle._failures._left) == 10_000
