"""Signatures: what fits, and everything that doesn't."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import ConfigurationError, UntrustedRecord
from helperhub.trust.keyring import HelperKeys, Key, KeyRing, parse_helper_keys
from helperhub.trust.signing import USE, Signatures, no_signatures

OLD, NEW = Key("old", b"o" * 32), Key("new", b"n" * 32)
PARTS = (b"id", b"code", b"{}")


def signatures(*keys: Key, hub: str = "main", given: Mapping[str, KeyRing] | None = None) -> Signatures:
    return Signatures(hub, HelperKeys(KeyRing(keys) if keys else None, given or {}, use=USE))


def test_signature_fits_what_was_signed() -> None:
    ours = signatures(NEW)

    ours.check(ours.sign("envelope", "mail", *PARTS), "envelope", "mail", *PARTS)


@pytest.mark.parametrize(
    ("purpose", "helper", "parts"),
    [
        ("spec", "mail", PARTS),
        ("envelope", "pay", PARTS),
        ("envelope", "mail/x", PARTS),
        ("envelope", "mail", (b"other", b"code", b"{}")),
        ("envelope", "mail", (b"id", b"code", b"{ }")),
        ("envelope", "mail", (b"idc", b"ode", b"{}")),
        ("envelope", "mail", (b"id", b"code{}")),
        ("envelope", "mail", (*PARTS, b"")),
    ],
)
def test_signature_fits_nothing_else(purpose: str, helper: str, parts: tuple[bytes, ...]) -> None:
    ours = signatures(NEW)
    signature = ours.sign("envelope", "mail", *PARTS)

    with pytest.raises(UntrustedRecord, match="doesn't fit"):
        ours.check(signature, purpose, helper, *parts)


def test_signature_of_another_hub_doesnt_fit() -> None:
    theirs = signatures(NEW, hub="test").sign("envelope", "mail", *PARTS)

    with pytest.raises(UntrustedRecord, match="doesn't fit"):
        signatures(NEW, hub="main").check(theirs, "envelope", "mail", *PARTS)


@given(place=st.integers(0, 34), flip=st.integers(1, 255))
def test_signature_with_any_byte_changed_is_refused(place: int, flip: int) -> None:
    ours = signatures(NEW)
    signature = bytearray(ours.sign("envelope", "mail", *PARTS))
    signature[place] ^= flip

    with pytest.raises(UntrustedRecord):
        ours.check(bytes(signature), "envelope", "mail", *PARTS)


@pytest.mark.parametrize("length", range(35))
def test_signature_that_is_cut_off_anywhere_is_refused(length: int) -> None:
    ours = signatures(NEW)

    with pytest.raises(UntrustedRecord):
        ours.check(ours.sign("envelope", "mail", *PARTS)[:length], "envelope", "mail", *PARTS)


def test_first_key_signs_and_older_ones_are_believed() -> None:
    before = signatures(OLD).sign("envelope", "mail", *PARTS)
    ours = signatures(NEW, OLD)

    ours.check(before, "envelope", "mail", *PARTS)
    assert ours.sign("envelope", "mail", *PARTS).endswith(b"new")
    assert (ours.current_id("mail"), no_signatures("main").current_id("mail")) == ("new", "")


def test_key_that_was_taken_out_is_named() -> None:
    before = signatures(OLD).sign("envelope", "mail", *PARTS)

    with pytest.raises(UntrustedRecord, match="key 'old'"):
        signatures(NEW).check(before, "envelope", "mail", *PARTS)


def test_keys_of_some_helpers_sign_for_these_and_for_no_other() -> None:
    whole = signatures(NEW)
    derived = whole.keys.of("mail")
    assert derived is not None
    some = signatures(given=parse_helper_keys(f"mail={derived.current}"))

    whole.check(some.sign("envelope", "mail/x", *PARTS), "envelope", "mail/x", *PARTS)
    with pytest.raises(ConfigurationError, match="no signing key for helper 'pay'"):
        some.sign("envelope", "pay", *PARTS)
    with pytest.raises(UntrustedRecord, match="no signing key for helper 'pay'"):
        some.check(whole.sign("envelope", "pay", *PARTS), "envelope", "pay", *PARTS)
    with pytest.raises(ConfigurationError, match="A scheduler signs for every helper"):
        some.require_all()


def test_without_a_key_nothing_is_signed_and_the_message_says_what_to_do() -> None:
    none = signatures()

    for refused in (none.require, none.require_all, lambda: none.sign("envelope", "mail")):
        with pytest.raises(ConfigurationError, match=r"trust new-key.*SIGNING__ENABLED=false"):
            refused()


def test_switched_off_nothing_is_signed_and_anything_is_believed() -> None:
    off = no_signatures("main")

    assert off.sign("envelope", "mail", *PARTS) == b""
    off.check(b"", "envelope", "mail", *PARTS)
    off.check(signatures(OLD).sign("envelope", "mail"), "envelope", "mail", *PARTS)
    off.require_all()


@given(st.text())
def test_text_reads_back_behind_its_signature(text: str) -> None:
    ours = signatures(NEW)
    document = "{" + text.encode(errors="replace").decode()

    assert ours.check_text("spec", "mail", ours.sign_text("spec", "mail", document).encode()).decode() == document


@pytest.mark.parametrize("signed", [b'{"a":1}', b"", b"new", b"new: {}", b"new:%% {}", b"new:AAAA {}", b"\xff:AAAA {}"])
def test_text_without_its_signature_is_refused(signed: bytes) -> None:
    with pytest.raises(UntrustedRecord):
        signatures(NEW).check_text("spec", "mail", signed)


def test_text_that_nobody_here_can_check_is_shown_as_it_is() -> None:
    signed = signatures(NEW).sign_text("spec", "mail", "{}").encode()

    assert signatures().check_text("spec", "mail", signed) == b"{}"
    assert no_signatures("main").check_text("spec", "mail", signed) == b"{}"
