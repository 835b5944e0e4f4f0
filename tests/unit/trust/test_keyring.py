"""Key rings: how they are written, what they refuse, and which helper has which key."""

from __future__ import annotations

import base64

import pytest

from helperhub.trust.keyring import HelperKeys, KeyRing, new_key, parse_helper_keys, parse_ring

SECRET = base64.b64encode(bytes(range(200, 232))).decode()
OTHER = base64.b64encode(bytes(range(32))).decode()


def test_ring_reads_back_as_it_is_written() -> None:
    ring = KeyRing((new_key("2026b"), new_key("2026a")))

    assert parse_ring(str(ring)) == ring


def test_first_key_is_in_use_and_all_are_known() -> None:
    ring = parse_ring(f"new:{SECRET}, old:{OTHER}")

    assert ring.current.id == "new"
    old = ring.find("old")
    assert old is not None
    assert old.secret == bytes(range(32))
    assert ring.find("other") is None


def test_base64_of_urls_is_read_too() -> None:
    assert parse_ring(f"a:{SECRET.replace('+', '-').replace('/', '_')}") == parse_ring(f"a:{SECRET}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no key"),
        (SECRET, "Key 1 is not of the form id:key"),
        (f"a:{SECRET},b", "Key 2 is not of the form"),
        ("a:c2hvcnQ=", "Key 1 is not 32 bytes"),
        ("a:%%%", "Key 1 is not 32 bytes"),
        (f"a b:{SECRET}", "The id of key 1 can't be used"),
        (f"{'i' * 33}:{SECRET}", "The id of key 1 can't be used"),
        (f"a:{SECRET},a:{OTHER}", "Two keys have the id 'a'"),
    ],
)
def test_ring_that_cant_be_used_is_refused_without_showing_it(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_ring(text)

    assert SECRET not in str(caught.value)


def test_keys_show_no_secret() -> None:
    assert SECRET not in repr(parse_ring(f"a:{SECRET}"))
    assert repr(bytes(range(200, 232))) not in repr(parse_ring(f"a:{SECRET}"))


def test_helper_has_a_key_of_its_own_that_its_instances_share() -> None:
    keys = HelperKeys(parse_ring(f"a:{SECRET}"), {}, use="signing")

    assert keys.of("weather") == keys.of("weather/berlin")
    assert keys.of("weather") != keys.of("checkin")


def test_keys_of_one_use_are_of_no_help_in_another() -> None:
    ring = parse_ring(f"a:{SECRET}")

    assert HelperKeys(ring, {}, use="signing").of("weather") != HelperKeys(ring, {}, use="encryption").of("weather")


def test_derived_keys_are_those_of_the_ring_they_were_derived_from() -> None:
    whole = HelperKeys(parse_ring(f"new:{SECRET},old:{OTHER}"), {}, use="signing")
    derived = whole.of("weather")
    assert derived is not None
    text = ",".join(f"weather={key}" for key in derived.keys)

    some = HelperKeys(None, parse_helper_keys(text), use="signing")

    assert some.of("weather/berlin") == whole.of("weather")
    assert some.of("checkin") is None


@pytest.mark.parametrize("text", [f"weather:{SECRET}", f"a:{SECRET}=x", "weather=a:b", ""])
def test_helper_keys_that_cant_be_used_are_refused(text: str) -> None:
    if not text:
        assert parse_helper_keys(text) == {}
        return
    with pytest.raises(ValueError, match=r"Entry 1|Key 1") as caught:
        parse_helper_keys(text)

    assert SECRET not in str(caught.value)


def test_names_that_anybody_may_invent_fill_no_memory() -> None:
    keys = HelperKeys(parse_ring(f"a:{SECRET}"), {}, use="signing")

    for number in range(10_000):
        keys.of(f"forged-{number}")

    assert len(keys._rings) <= 4096
