"""Encryption: AES-256-GCM, bound to what it belongs to, under a key of the helper that it is for.

What is sealed is the length of the key's id, the id, 12 bytes of nonce, then the text with its tag.
`cryptography` is imported when the first text is sealed or opened: it comes with `helperhub[encryption]`.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from helperhub.errors import ConfigurationError, UntrustedRecord
from helperhub.trust.keyring import HelperKeys, Key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

USE = "encryption"
#: Random nonces: NIST SP 800-38D allows 2^32 texts a key, and each helper has a key of its own.
_NONCE_BYTES = 12
_MOST_REMEMBERED = 4096


class Cipher:
    """Seals and opens for one hub."""

    def __init__(self, hub: str, keys: HelperKeys, *, enabled: bool = True) -> None:
        """Seal for ``hub`` with ``keys``, if there are any; not ``enabled`` only opens."""
        self._hub = hub.encode()
        self.keys = keys
        self.enabled = enabled and not keys.is_empty
        self._ciphers: dict[Key, AESGCM] = {}

    def require(self) -> None:
        """Refuse to go on if there are keys that nothing here can use.

        Raises:
            ConfigurationError: The package that encrypts isn't installed.
        """
        if not self.keys.is_empty:
            _load()

    def seal(self, helper: str, text: bytes, *parts: bytes) -> bytes:
        """Return ``text`` sealed for ``helper``; it opens only beside the same ``parts``.

        Raises:
            ConfigurationError: There is no key for ``helper``, or `cryptography` isn't installed.
        """
        ring = self.keys.of(helper)
        if ring is None:
            message = f"This process has no encryption key for helper '{helper.partition('/')[0]}'."
            raise ConfigurationError(message, hint="Add it to HELPERHUB_ENCRYPTION__HELPER_KEYS.")
        key = ring.current
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher(key).encrypt(nonce, text, self._bound(helper, parts))
        return len(key.id).to_bytes(1) + key.id.encode() + nonce + sealed

    def open(self, helper: str, sealed: bytes, *parts: bytes) -> bytes:
        """Return the text that `seal` sealed.

        Raises:
            UntrustedRecord: The key is missing, or it was sealed beside other parts, or changed.
            ConfigurationError: `cryptography` isn't installed.
        """
        key_id = sealed_with(sealed)
        ring = self.keys.of(helper)
        key = ring.find(key_id) if ring else None
        if key is None:
            message = f"It is encrypted with the key '{key_id}', which this process doesn't have."
            raise UntrustedRecord(message, hint="HELPERHUB_ENCRYPTION__KEYS holds the keys that open it.")
        start = 1 + len(key_id)
        nonce, rest = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        cipher, invalid = self._cipher(key), _load_failure()
        try:
            return cipher.decrypt(nonce, rest, self._bound(helper, parts))
        except (invalid, ValueError) as error:
            message = "It can't be decrypted: it was changed, or encrypted for another execution or helper."
            raise UntrustedRecord(message) from error

    def is_current(self, helper: str, key_id: str) -> bool:
        """Return whether `seal` would use the key ``key_id`` too; ``""`` stands for not sealed."""
        ring = self.keys.of(helper) if self.enabled else None
        return key_id == (ring.current.id if ring else "")

    def _bound(self, helper: str, parts: tuple[bytes, ...]) -> bytes:
        return b"".join(len(part).to_bytes(4) + part for part in (self._hub, helper.encode(), *parts))

    def _cipher(self, key: Key) -> AESGCM:
        try:
            return self._ciphers[key]
        except KeyError:
            if len(self._ciphers) >= _MOST_REMEMBERED:
                self._ciphers = {}
            found = self._ciphers[key] = _load()(key.secret)
            return found


def no_cipher(hub: str) -> Cipher:
    """Return a cipher that seals nothing and opens nothing."""
    return Cipher(hub, HelperKeys(None, {}, use=USE))


def sealed_with(sealed: bytes) -> str:
    """Return the id of the key that ``sealed`` names; whatever stands there if it was forged."""
    length = sealed[0] if sealed else 0
    return sealed[1 : 1 + length].decode("ascii", errors="replace")


def _load() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        message = "HELPERHUB_ENCRYPTION__KEYS is set, and the package that encrypts isn't installed."
        raise ConfigurationError(message, hint="pip install 'helperhub[encryption]'") from error
    return AESGCM


def _load_failure() -> type[Exception]:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

    return InvalidTag


__all__ = ["USE", "Cipher", "no_cipher", "sealed_with"]
