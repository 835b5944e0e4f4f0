"""Key rings: several keys by id, of which the first is the one in use and all are still known.

A ring is written ``2026b:<base64>,2026a:<base64>``. What is signed or sealed for a helper never takes
a ring's key itself but one derived from it for that helper (RFC 5869's idea, one block): so a machine
can be given the keys of some helpers, and has nothing that others would believe.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

KEY_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
#: Names of helpers come from records that anybody may have written: what is remembered of them is bounded.
_MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Args:
        id: What messages name it by; no secret.
        secret: 32 bytes.
    """

    id: str
    secret: bytes = field(repr=False)

    def __str__(self) -> str:
        """Return the key as a setting has it. Holds the secret."""
        return f"{self.id}:{base64.b64encode(self.secret).decode()}"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id; the first signs and seals, all verify and open."""

    keys: tuple[Key, ...]

    @property
    def current(self) -> Key:
        """The key in use."""
        return self.keys[0]

    def find(self, key_id: str) -> Key | None:
        """Return the key of that id, or None."""
        return next((key for key in self.keys if key.id == key_id), None)

    def __str__(self) -> str:
        """Return the ring as a setting has it. Holds the secrets."""
        return ",".join(map(str, self.keys))


def new_key(key_id: str) -> Key:
    """Return a fresh key.

    Raises:
        ValueError: ``key_id`` can't be a key's id.
    """
    return Key(_check_id(key_id), secrets.token_bytes(KEY_BYTES))


def parse_ring(text: str) -> KeyRing:
    """Return the ring that ``id:base64,id:base64`` describes.

    Raises:
        ValueError: It doesn't; the message names the place and never the secret.
    """
    keys = [_parse_key(part.strip(), place) for place, part in enumerate(text.split(","), 1) if part.strip()]
    return _ring(keys)


def parse_helper_keys(text: str) -> dict[str, KeyRing]:
    """Return the rings that ``helper=id:base64,helper=id:base64`` gives to single helpers.

    Raises:
        ValueError: It can't be understood; the message names the place and never the secret.
    """
    found: dict[str, list[Key]] = {}
    for place, part in enumerate(text.split(","), 1):
        helper, equals, key = part.strip().partition("=")
        if not part.strip():
            continue
        if not equals or not helper or ":" in helper:
            message = f"Entry {place} is not of the form helper=id:key."
            raise ValueError(message)
        found.setdefault(helper, []).append(_parse_key(key, place))
    return {helper: _ring(keys) for helper, keys in found.items()}


class HelperKeys:
    """The keys of each helper: derived from the ring, or given for single helpers."""

    def __init__(self, ring: KeyRing | None, given: Mapping[str, KeyRing], *, use: str) -> None:
        """Derive from ``ring`` where it is there; ``given`` counts for helpers that it has.

        Args:
            ring: The hub's own; None on a machine that has only some helpers' keys.
            given: Rings of keys that were derived elsewhere, by helper.
            use: What they are for: keys of one use are of no help in another.
        """
        self.ring = ring
        self._given = dict(given)
        self._use = use
        self._rings: dict[str, KeyRing | None] = {}

    def of(self, helper: str) -> KeyRing | None:
        """Return the ring of ``helper[/instance]``; None if this machine has no key for it."""
        name = helper.partition("/")[0]
        try:
            return self._rings[name]
        except KeyError:
            return self._remember(name)

    def _remember(self, name: str) -> KeyRing | None:
        if len(self._rings) >= _MOST_REMEMBERED:
            self._rings = {}
        found = self._given.get(name)
        if found is None and self.ring is not None:
            found = KeyRing(tuple(Key(key.id, self._derive(key, name)) for key in self.ring.keys))
        self._rings[name] = found
        return found

    def _derive(self, key: Key, name: str) -> bytes:
        return hmac.digest(key.secret, f"helperhub {self._use} helper:{name}".encode(errors="replace"), "sha256")

    @property
    def ids(self) -> list[str]:
        """The ids of the ring's keys, the one in use first; of all given keys where there is no ring."""
        rings = [self.ring] if self.ring else list(self._given.values())
        return list(dict.fromkeys(key.id for ring in rings for key in ring.keys))

    @property
    def is_empty(self) -> bool:
        """Whether there is no key at all."""
        return self.ring is None and not self._given


def _ring(keys: Iterable[Key]) -> KeyRing:
    ring = KeyRing(tuple(keys))
    if not ring.keys:
        message = "It holds no key."
        raise ValueError(message)
    ids = [key.id for key in ring.keys]
    twice = {key_id for key_id in ids if ids.count(key_id) > 1}
    if twice:
        message = f"Two keys have the id '{min(twice)}'."
        raise ValueError(message)
    return ring


def _parse_key(text: str, place: int) -> Key:
    key_id, colon, encoded = text.partition(":")
    if not colon:
        message = f"Key {place} is not of the form id:key. 'helperhub trust new-key' prints one."
        raise ValueError(message)
    try:
        secret = base64.b64decode(encoded.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        # The id may be a part of a secret that was cut wrongly, so only its place is told.
        message = f"Key {place} is not {KEY_BYTES} bytes of base64. 'helperhub trust new-key' prints one."
        raise ValueError(message)
    return Key(_check_id(key_id, place), secret)


def _check_id(key_id: str, place: int = 1) -> str:
    if not _ID.fullmatch(key_id):
        message = f"The id of key {place} can't be used: take 1 to 32 letters, digits, dots, dashes or underscores."
        raise ValueError(message)
    return key_id


__all__ = ["KEY_BYTES", "HelperKeys", "Key", "KeyRing", "new_key", "parse_helper_keys", "parse_ring"]
