"""Encryption: what opens, and everything that doesn't."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import ConfigurationError, UntrustedRecord
from helperhub.trust.encryption import USE, Cipher, no_cipher, sealed_with
from helperhub.trust.keyring import HelperKeys, Key, KeyRing, parse_helper_keys

OLD, NEW = Key("old", b"o" * 32), Key("new", b"n" * 32)
WITHOUT_THE_PACKAGE = """
import sys
sys.modules["cryptography"] = None
from helperhub.errors import ConfigurationError
from helperhub.trust.encryption import Cipher, USE
from helperhub.trust.keyring import HelperKeys, KeyRing, new_key
cipher = Cipher("main", HelperKeys(KeyRing((new_key("a"),)), {}, use=USE))
try:
    cipher.require()
except ConfigurationError as error:
    sys.stdout.write(str(error))
"""


def cipher(*keys: Key, hub: str = "main", enabled: bool = True) -> Cipher:
    return Cipher(hub, HelperKeys(KeyRing(keys) if keys else None, {}, use=USE), enabled=enabled)


@given(st.binary(max_size=500))
def test_text_opens_beside_what_it_was_sealed_for(text: bytes) -> None:
    ours = cipher(NEW)
    sealed = ours.seal("mail", text, b"id")

    assert ours.open("mail", sealed, b"id") == text
    assert len(text) < 8 or text not in sealed


def test_same_text_is_sealed_to_something_else_each_time() -> None:
    assert cipher(NEW).seal("mail", b"text", b"id") != cipher(NEW).seal("mail", b"text", b"id")


@pytest.mark.parametrize(
    ("hub", "helper", "part"),
    [("test", "mail", b"id"), ("main", "pay", b"id"), ("main", "mail/x", b"id"), ("main", "mail", b"other")],
)
def test_text_opens_for_no_other_hub_helper_or_execution(hub: str, helper: str, part: bytes) -> None:
    sealed = cipher(NEW).seal("mail", b"text", b"id")

    with pytest.raises(UntrustedRecord, match="can't be decrypted"):
        cipher(NEW, hub=hub).open(helper, sealed, part)


@given(place=st.integers(0, 35), flip=st.integers(1, 255))
def test_sealed_text_with_any_byte_changed_is_refused(place: int, flip: int) -> None:
    sealed = bytearray(cipher(NEW).seal("mail", b"text", b"id"))
    sealed[place % len(sealed)] ^= flip

    with pytest.raises(UntrustedRecord):
        cipher(NEW).open("mail", bytes(sealed), b"id")


def test_sealed_text_that_is_cut_off_anywhere_is_refused() -> None:
    sealed = cipher(NEW).seal("mail", b"text", b"id")

    for length in range(len(sealed)):
        with pytest.raises(UntrustedRecord):
            cipher(NEW).open("mail", sealed[:length], b"id")


def test_first_key_seals_and_older_ones_open() -> None:
    before = cipher(OLD).seal("mail", b"text", b"id")
    ours = cipher(NEW, OLD)

    assert ours.open("mail", before, b"id") == b"text"
    assert sealed_with(ours.seal("mail", b"text", b"id")) == "new"
    assert (ours.is_current("mail", "new"), ours.is_current("mail", "old")) == (True, False)


def test_key_that_was_taken_out_is_named() -> None:
    before = cipher(OLD).seal("mail", b"text", b"id")

    for without in (cipher(NEW), no_cipher("main")):
        with pytest.raises(UntrustedRecord, match="encrypted with the key 'old'"):
            without.open("mail", before, b"id")


def test_keys_of_some_helpers_seal_for_no_other() -> None:
    ring = cipher(NEW).keys.of("mail")
    assert ring is not None
    some = Cipher("main", HelperKeys(None, parse_helper_keys(f"mail={ring.current}"), use=USE))

    assert cipher(NEW).open("mail", some.seal("mail", b"text", b"id"), b"id") == b"text"
    with pytest.raises(ConfigurationError, match="no encryption key for helper 'pay'"):
        some.seal("pay", b"text", b"id")


def test_switched_off_it_still_opens() -> None:
    off = cipher(NEW, enabled=False)

    assert not off.enabled
    assert off.open("mail", cipher(NEW).seal("mail", b"text", b"id"), b"id") == b"text"


def test_package_that_is_missing_is_named_with_how_to_get_it() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_THE_PACKAGE], capture_output=True, text=True, check=True)

    assert "pip install 'helperhub[encryption]'" in done.stdout
