"""Limits as authors and operators write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from helperhub import helper
from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.helper import HelperSpec, Override
from helperhub.model.limit_key import key_of, show_key
from helperhub.model.limits import HeldLimits, Limits, LimitsOverride, Rate, build_limits, parse_rate
from helperhub.schedules.spec_document import (
    override_from_document,
    override_to_document,
    spec_from_document,
    spec_to_document,
)
from helperhub.store.rules import find_changes, pack_limits

SIX = Limits(5, "city", 1, Rate(100, timedelta(minutes=1)), Rate(1, timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("text", "starts", "seconds", "shown"),
    [
        ("100/m", 100, 60, "100/m"),
        ("1/s", 1, 1, "1/s"),
        ("5 / 10m", 5, 600, "5/10m"),
        ("10000/d", 10_000, 86_400, "10000/d"),
        ("2/500ms", 2, 0.5, "2/500ms"),
        ("3/1h30m", 3, 5400, "3/1h30m"),
    ],
)
def test_a_rate_is_read_and_shown(text: str, starts: int, seconds: float, shown: str) -> None:
    rate = parse_rate(text)

    assert rate == Rate(starts, timedelta(seconds=seconds))
    assert str(rate) == shown
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize("text", ["100", "m", "100/", "/m", "1.5/s", "-1/s", "100/x", "100/10"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="100/m"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0/s", "10001/s", "1/50ms", "1/5w"])
def test_a_rate_that_cannot_be_kept_is_refused(text: str) -> None:
    with pytest.raises(InvalidHelper, match="out of range"):
        parse_rate(text)


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": -1},
        {"concurrency": "2"},
        {"concurrency": True},
        {"concurrency_per_key": 1},
        {"rate_per_key": "1/s"},
        {"concurrency_key": "city"},
        {"concurrency_key": "", "concurrency_per_key": 1},
        {"concurrency_key": 5, "concurrency_per_key": 1},
        {"rate": 5},
        {"rate": "often"},
    ],
)
def test_limits_that_cannot_be_kept_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidHelper) as caught:
        build_limits(**options)
    assert caught.value.hint


def test_a_helper_declares_its_limits() -> None:
    @helper(concurrency=5, concurrency_key="city", concurrency_per_key=1, rate="100/m", rate_per_key=SIX.rate_per_key)
    def weather(ctx: Any) -> None: ...

    assert weather.declaration.spec.limits == SIX


def test_limits_survive_the_catalogue() -> None:
    spec = HelperSpec("weather", limits=SIX)
    override = Override(
        limits=LimitsOverride(
            {"concurrency": 3, "rate": None, "rate_per_key": Rate(2, timedelta(hours=1))}, True, "why"
        )
    )

    assert spec_from_document(spec_to_document(spec)) == spec
    assert override_from_document(override_to_document(override)) == override


def test_a_spec_of_an_older_release_has_no_limits() -> None:
    document = spec_to_document(HelperSpec("weather", limits=SIX))
    del document["limits"]

    assert spec_from_document(document).limits == Limits()


def test_what_an_operator_changed_goes_before_what_is_declared() -> None:
    changed = LimitsOverride(
        {"concurrency": None, "rate": Rate(1, timedelta(hours=1))}, paused=True, pause_reason="rain"
    )

    held = changed.apply(SIX)

    assert held.limits == Limits(None, "city", 1, Rate(1, timedelta(hours=1)), SIX.rate_per_key)
    assert (held.paused, held.pause_reason) == (True, "rain")


def test_limits_per_key_of_a_helper_that_lost_its_key_count_no_more() -> None:
    assert LimitsOverride({"concurrency_per_key": 1, "concurrency": 2}).apply(Limits()).limits == Limits(2)


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        ({"city": "Berlin"}, "Berlin"),
        ({"city": "St. John's"}, "St. John's"),
        ({"city": 7}, "7"),
        ({"city": "a:b%"}, "a%3Ab%25"),
        ({"city": {"b": 1, "a": 2}}, "{%22a%22%3A 2, %22b%22%3A 1}"),
        ({"city": None}, ""),
        ({"town": "Berlin"}, ""),
        ("Berlin", ""),
        (None, ""),
    ],
)
def test_key_is_the_text_of_the_payloads_value(payload: Any, key: str) -> None:
    assert key_of(payload, "city") == key


def test_key_has_no_colon_is_short_and_tells_long_values_apart() -> None:
    one, other = key_of({"k": "ö:" * 200 + "1"}, "k"), key_of({"k": "ö:" * 200 + "2"}, "k")

    assert one != other
    assert ":" not in one
    assert len(one) < 100
    assert show_key(key_of({"k": "ö:1"}, "k")) == "ö:1"


def test_rules_that_are_there_already_are_left_alone_and_others_go() -> None:
    held = {"weather": HeldLimits(SIX), "tidy": HeldLimits(), "still": HeldLimits(paused=True)}
    present = {"helper:weather": pack_limits(held["weather"]), "helper:gone": "1 0 0 0 0 0 0", "helper:odd": "x"}

    changes = find_changes(present, held, {"all": "9"}, unknown=frozenset({"odd"}), renew_settings=False)

    assert changes == {"helper:still": "0 0 0 0 0 0 1", "helper:gone": "", "all": "9", "settings": "1"}


def test_settings_that_another_process_entered_stay_unless_they_are_to_be_renewed() -> None:
    present = {"settings": "1", "all": "5", "queue:low": "2 priority"}

    assert find_changes(present, {}, {"all": "9"}, unknown=frozenset(), renew_settings=False) == {}
    assert find_changes(present, {}, {"all": "9"}, unknown=frozenset(), renew_settings=True) == {
        "all": "9",
        "queue:low": "",
    }
