"""Signatures: HMAC-SHA256 over what belongs together, under a key of the helper that it is for.

A signature is the 32 bytes of the HMAC and then the key's id. What is signed is written with its
lengths, so that no two different lists of parts have the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from helperhub.errors import ConfigurationError, UntrustedRecord
from helperhub.trust.keyring import HelperKeys, KeyRing

MAC_BYTES = 32
_MAX_HEADS = 10_000
USE = "signing"
NO_KEY = "No signing key is set, and everybody who can write to this Redis could have anything run."
NO_KEY_HINT = (
    "Set HELPERHUB_SIGNING__KEYS to what 'helperhub trust new-key' prints, the same wherever this hub runs; "
    "or trust whoever can write there, with HELPERHUB_SIGNING__ENABLED=false."
)


class Signatures:
    """Signs and checks for one hub."""

    def __init__(self, hub: str, keys: HelperKeys, *, enabled: bool = True) -> None:
        """Sign for ``hub`` with ``keys``; where it isn't ``enabled``, nothing is signed or checked."""
        self._hub = _sized(hub.encode())
        #: What signatures of one purpose for one helper begin with.
        self._heads: dict[tuple[str, str], bytes] = {}
        self.keys = keys
        self.enabled = enabled

    def can_sign(self, helper: str) -> bool:
        """Return whether `sign` would work for ``helper``."""
        return not self.enabled or self.keys.of(helper) is not None

    def require(self, helper: str = "") -> None:
        """Refuse to go on without a key, or without one for ``helper``.

        Raises:
            ConfigurationError: There is none, and signing isn't switched off.
        """
        if self.enabled and (self.keys.is_empty or (helper and self.keys.of(helper) is None)):
            raise self._missing(helper)

    def require_all(self) -> None:
        """Refuse to go on without the hub's own ring: a scheduler signs for every helper.

        Raises:
            ConfigurationError: There is none, and signing isn't switched off.
        """
        self.require()
        if self.enabled and self.keys.ring is None:
            message = "A scheduler signs for every helper, and HELPERHUB_SIGNING__HELPER_KEYS holds only some."
            raise ConfigurationError(message, hint="Give it HELPERHUB_SIGNING__KEYS.")

    def sign(self, purpose: str, helper: str, *parts: bytes) -> bytes:
        """Return the signature of ``parts``; empty where signing is switched off.

        Args:
            purpose: What it is: a signature of one purpose is worth nothing for another.
            helper: ``helper[/instance]`` that it is for.
            parts: What is signed, in order.

        Raises:
            ConfigurationError: There is no key for ``helper``.
        """
        if not self.enabled:
            return b""
        ring = self.keys.of(helper)
        if ring is None:
            raise self._missing(helper)
        key = ring.current
        return self._mac(key.secret, purpose, helper, parts) + key.id.encode()

    def check(self, signature: bytes, purpose: str, helper: str, *parts: bytes) -> None:
        """Return if ``signature`` is one that `sign` made of the same; or if nothing is signed at all.

        Raises:
            UntrustedRecord: It isn't; the message says why.
        """
        if not self.enabled:
            return
        if not signature:
            message = "It carries no signature."
            raise UntrustedRecord(message, hint="Something else than HelperHub wrote it, or signing was off then.")
        if len(signature) <= MAC_BYTES:
            message = "Its signature is cut off."
            raise UntrustedRecord(message)
        ring = self.keys.of(helper)
        if ring is None:
            message = f"This process has no signing key for helper '{helper.partition('/')[0][:80]}'."
            raise UntrustedRecord(message, hint="Add it to HELPERHUB_SIGNING__HELPER_KEYS, or serve other queues here.")
        secret = _secret(ring, signature[MAC_BYTES:])
        if not hmac.compare_digest(self._mac(secret, purpose, helper, parts), signature[:MAC_BYTES]):
            message = "Its signature doesn't fit: it was changed, or signed for another execution or helper."
            raise UntrustedRecord(message, hint="Whoever wrote it had no key for it.")

    def sign_text(self, purpose: str, helper: str, text: str) -> str:
        """Return ``text`` behind its signature, as `check_text` reads it.

        Raises:
            ConfigurationError: There is no key for ``helper``.
        """
        signature = self.sign(purpose, helper, text.encode())
        if not signature:
            return text
        mac, key_id = signature[:MAC_BYTES], signature[MAC_BYTES:].decode()
        return f"{key_id}:{base64.b64encode(mac).decode()} {text}"

    def check_text(self, purpose: str, helper: str, signed: bytes) -> bytes:
        """Return the text that `sign_text` signed.

        A process without a key for ``helper`` can't tell, and gets the text as it is: it can't
        have anything run for that helper either.

        Raises:
            UntrustedRecord: The signature isn't right.
        """
        head, _, text = signed.partition(b" ") if signed[:1] != b"{" else (b"", b"", signed)
        if not self.enabled or self.keys.of(helper) is None:
            return text
        key_id, _, encoded = head.partition(b":")
        try:
            signature = base64.b64decode(encoded, validate=True) + key_id
        except binascii.Error:
            signature = key_id
        self.check(signature, purpose, helper, text)
        return text

    def text_key(self, signed: bytes) -> str:
        """Return the id of the key that a signed text names; empty if it isn't signed."""
        head, _, _ = signed.partition(b" ") if signed[:1] != b"{" else (b"", b"", b"")
        return head.partition(b":")[0].decode("ascii", errors="replace")

    def current_id(self, helper: str) -> str:
        """Return the id of the key that `sign` uses for ``helper``; empty where nothing is signed."""
        ring = self.keys.of(helper) if self.enabled else None
        return ring.current.id if ring else ""

    def _mac(self, secret: bytes, purpose: str, helper: str, parts: tuple[bytes, ...]) -> bytes:
        head = self._heads.get((purpose, helper))
        if head is None:
            head = b"".join((_sized(purpose.encode()), self._hub, _sized(helper.encode())))
            if len(self._heads) < _MAX_HEADS:
                self._heads[purpose, helper] = head
        signed = [head]
        for part in parts:
            signed += (len(part).to_bytes(4), part)
        return hmac.digest(secret, b"".join(signed), "sha256")

    def _missing(self, helper: str) -> ConfigurationError:
        if self.keys.is_empty:
            return ConfigurationError(NO_KEY, hint=NO_KEY_HINT)
        message = f"This process has no signing key for helper '{helper.partition('/')[0]}'."
        return ConfigurationError(message, hint="Add it to HELPERHUB_SIGNING__HELPER_KEYS.")


def no_signatures(hub: str) -> Signatures:
    """Return signatures that are switched off."""
    return Signatures(hub, HelperKeys(None, {}, use=USE), enabled=False)


def _secret(ring: KeyRing, key_id: bytes) -> bytes:
    key = ring.find(key_id.decode(errors="replace"))
    if key is None:
        shown = key_id[:32].decode(errors="replace")
        message = f"It is signed with the key '{shown}', which this process doesn't have."
        raise UntrustedRecord(message, hint="Put that key back into HELPERHUB_SIGNING__KEYS if it is one of yours.")
    return key.secret


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(4) + part


__all__ = ["MAC_BYTES", "NO_KEY", "NO_KEY_HINT", "USE", "Signatures", "no_signatures"]
