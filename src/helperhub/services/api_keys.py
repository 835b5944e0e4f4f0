"""API keys: make, list, rotate, revoke, and check what somebody shows.

A key reads ``hh_<environment>_<id>_<secret><checksum>``: the id names it in lists and in the audit, the
secret is 256 bits, and the checksum lets a typing error, or a scanner that finds a key in a repository,
be told without asking anybody. Redis holds a SHA-256 of the secret only; a slow hash would protect no
more, for nobody guesses 256 bits (NIST SP 800-63B, 5.1.1.2, asks for one where people choose secrets).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from helperhub.errors import Conflict, NotFound, Unauthenticated, UsageError
from helperhub.model.access import Principal, Scope
from helperhub.model.instant import epoch_ms, from_ms, to_rfc3339
from helperhub.services.audit import Audit
from helperhub.store.api_keys import ApiKeys as Store
from helperhub.store.api_keys import parse

DEFAULT_LIFETIME = timedelta(days=90)
#: How long a key that was rotated goes on beside its successor.
DEFAULT_OVERLAP = timedelta(days=1)
_SHAPE = re.compile(r"hh_([a-z0-9]{1,12})_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOTE_USED_S = 60.0
_MOST_OF_A_NAME = 200
#: How long a key that was checked is remembered for when Redis is away, seconds; and how many.
_RECALL_S = 300.0
_MOST_RECALLED = 1000


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key is to be.

    Args:
        name: A word for people, at most 80 characters.
        scopes: What it may do; see `Principal.may`.
        helpers: Only these; empty means all.
        queues: Only these; empty means all.
        lifetime: None means that it never expires.
    """

    name: str
    scopes: frozenset[Scope]
    helpers: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    lifetime: timedelta | None = DEFAULT_LIFETIME


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Use cases around keys.

    Args:
        store: Where they are kept.
        audit: Where making and revoking is noted.
        environment: The word after ``hh_`` of new keys; others' are accepted as well.
        now: Redis TIME.
    """

    store: Store
    audit: Audit
    environment: str
    now: Callable[[], datetime]
    _used: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _checked: dict[str, tuple[float, Principal]] = field(default_factory=dict)

    def create(self, wish: KeyWish) -> tuple[str, dict[str, Any]]:
        """Make a key; return it, which nobody can see again, and its document.

        Raises:
            UsageError: It has no scope, or no proper name.
        """
        _check(wish)
        now = self.now()
        content = {
            "name": wish.name,
            "scopes": sorted(wish.scopes),
            "helpers": sorted(wish.helpers),
            "queues": sorted(wish.queues),
            "created_ms": epoch_ms(now),
            "expires_ms": 0 if wish.lifetime is None else epoch_ms(now + wish.lifetime),
        }
        made = self._make(content)
        self._note("key.create", made[1])
        return made

    def all(self) -> list[dict[str, Any]]:
        """Return every key as a document, expired ones too, never a secret."""
        now_ms = epoch_ms(self.now())
        return [_document(id_, content, now_ms) for id_, content in self.store.all()]

    def rotate(self, key_id: str, *, overlap: timedelta = DEFAULT_OVERLAP) -> tuple[str, dict[str, Any]]:
        """Make a key that may do the same and lives as long; the old one ends after ``overlap``.

        Raises:
            NotFound: There is no such key, or not any more.
            Conflict: Somebody else changed it at the same time.
        """
        raw, old = self._read(key_id)
        now_ms = epoch_ms(self.now())
        span_ms = old["expires_ms"] - old["created_ms"] if old["expires_ms"] else 0
        content = {
            **{name: old[name] for name in ("name", "scopes", "helpers", "queues")},
            "created_ms": now_ms,
            "expires_ms": now_ms + span_ms if span_ms else 0,
        }
        successor, document = self._make(content)
        ends_ms = now_ms + overlap // timedelta(milliseconds=1)
        ends_ms = min(old["expires_ms"] or ends_ms, ends_ms)
        # Under what it was read as: a key that is revoked meanwhile stays so, and leaves no successor.
        if not self.store.swap(key_id, raw, {**old, "expires_ms": ends_ms, "rotated_to": document["id"]}):
            self.store.remove(document["id"])
            self._read(key_id)
            message = f"The key '{key_id}' was changed by somebody else at the same time."
            raise Conflict(message, hint="Look at it, and try again.")
        self._note("key.rotate", document, before=key_id)
        return successor, document

    def revoke(self, key_id: str) -> None:
        """Forget a key: its next request is refused.

        Raises:
            NotFound: There is no such key.
        """
        _, content = self._read(key_id)
        self.store.remove(key_id)
        self.audit.note("key.revoke", key_id, before={"name": content["name"], "scopes": content["scopes"]})

    def count(self) -> int:
        """Return how many keys there are."""
        return self.store.count()

    def check(self, text: str) -> Principal:
        """Return whose key ``text`` is.

        Raises:
            Unauthenticated: It isn't a key, not one of this hub, or has expired.
            StoreError: Redis can't be asked.
        """
        parts = split_key(text)
        content = self.store.read(parts[1]) if parts else None
        digest = str(content.get("digest", "")) if content else ""
        # Compared even where there is nothing to compare with: how long it takes tells nobody which ids exist.
        is_it = hmac.compare_digest(_digest(parts[2] if parts else ""), digest)
        self._checked.pop(_digest(text), None)
        if parts is None or content is None or not is_it:
            message = "That is no key of this hub."
            raise Unauthenticated(
                message, hint="'helperhub keys create' makes one; send it as 'Authorization: Bearer'."
            )
        caller = self._caller(parts[1], content)
        self._remember(text, caller)
        return caller

    def principal(self, key_id: str) -> Principal:
        """Return whose key the one with this id is, for who has shown it before.

        Raises:
            Unauthenticated: It was revoked, or has expired.
            StoreError: Redis can't be asked.
        """
        content = self.store.read(key_id)
        if not content:
            message = f"The key {key_id} was revoked."
            raise Unauthenticated(message, hint="'helperhub keys create' makes one.")
        return self._caller(key_id, content)

    def _caller(self, key_id: str, content: dict[str, Any]) -> Principal:
        now_ms = epoch_ms(self.now())
        if content["expires_ms"] and content["expires_ms"] <= now_ms:
            message = f"The key {key_id} expired at {to_rfc3339(from_ms(content['expires_ms']))}."
            raise Unauthenticated(message, hint="'helperhub keys rotate' makes its successor.")
        self._note_used(key_id, now_ms)
        return Principal(
            f"key:{key_id}",
            frozenset(Scope(scope) for scope in content["scopes"]),
            frozenset(content["helpers"]),
            frozenset(content["queues"]),
            content["name"],
        )

    def recall(self, text: str) -> Principal | None:
        """Return whose key ``text`` was when this process checked it less than 5 minutes ago; None if it didn't."""
        at, caller = self._checked.get(_digest(text), (float("-inf"), None))
        return caller if time.monotonic() - at < _RECALL_S else None

    def _remember(self, text: str, caller: Principal) -> None:
        with self._lock:
            while len(self._checked) >= _MOST_RECALLED:
                self._checked.pop(next(iter(self._checked)), None)
            self._checked[_digest(text)] = (time.monotonic(), caller)

    def _make(self, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        secret = _encode(int.from_bytes(secrets.token_bytes(32)), 43)
        while True:
            key_id = "".join(secrets.choice(_LETTERS) for _ in range(12))
            if self.store.add(key_id, {**content, "digest": _digest(secret)}):
                break
        head = f"hh_{self.environment}_{key_id}_{secret}"
        return head + _checksum(head), _document(key_id, content, content["created_ms"])

    def _note(self, action: str, document: dict[str, Any], *, before: str = "") -> None:
        said = {name: document[name] for name in ("name", "scopes", "helpers", "queues", "expires_at")}
        self.audit.note(action, document["id"], before={"id": before} if before else None, after=said)

    def _read(self, key_id: str) -> tuple[bytes, dict[str, Any]]:
        raw = self.store.read_raw(key_id)
        if not raw:
            message = f"There is no key '{key_id}'."
            raise NotFound(message, hint="'helperhub keys list' shows all.")
        return raw, parse(raw)

    def _note_used(self, key_id: str, at_ms: int) -> None:
        """Note a use, once a minute for each process: every request would be a write."""
        with self._lock:
            if time.monotonic() - self._used.get(key_id, -_NOTE_USED_S) < _NOTE_USED_S:
                return
            self._used[key_id] = time.monotonic()
        self.store.note_used(key_id, at_ms)


def id_of(text: str) -> str:
    """Return the id in what somebody showed as a key, for the log; empty if it isn't one or has been mistyped."""
    parts = split_key(text)
    return parts[1] if parts else ""


def split_key(text: str) -> tuple[str, str, str] | None:
    """Return environment, id and secret of a key, or None if it isn't one or has been mistyped."""
    found = _SHAPE.fullmatch(text)
    if found is None or not hmac.compare_digest(_checksum(text[:-6]), found[4]):
        return None
    return found[1], found[2], found[3]


def _check(wish: KeyWish) -> None:
    if not 1 <= len(wish.name) <= 80 or not wish.name.isprintable():
        message = "A key needs a name of 1 to 80 printable characters, by which people know it again."
        raise UsageError(message)
    if not wish.scopes:
        message = f"A key needs a scope: {', '.join(Scope)}."
        raise UsageError(message)
    for one in sorted(wish.helpers | wish.queues):
        if not 1 <= len(one) <= _MOST_OF_A_NAME or not one.isprintable():
            message = f"'{ascii(one[:40])[1:-1]}' can't be the name of a helper or queue."
            raise UsageError(message, hint="Narrow a key to names that lists show.")
    if wish.lifetime is not None and wish.lifetime <= timedelta(0):
        message = "A key must live longer than no time at all."
        raise UsageError(message)


def _document(key_id: str, content: dict[str, Any], now_ms: int) -> dict[str, Any]:
    expires_ms = content.get("expires_ms", 0)
    used_ms = content.get("last_used_ms", 0)
    return {
        "id": key_id,
        "name": content.get("name", ""),
        "scopes": _names(content.get("scopes", ())),
        "helpers": _names(content.get("helpers", ())),
        "queues": _names(content.get("queues", ())),
        "created_at": to_rfc3339(from_ms(content.get("created_ms", 0))),
        "expires_at": to_rfc3339(from_ms(expires_ms)) if expires_ms else None,
        "expired": bool(expires_ms) and expires_ms <= now_ms,
        "last_used_at": to_rfc3339(from_ms(used_ms)) if used_ms else None,
        "rotated_to": content.get("rotated_to"),
    }


def _names(found: Iterable[Any]) -> list[str]:
    return [str(name) for name in found]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(text: str) -> str:
    return _encode(crc32(text.encode()), 6)


def _encode(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        letters.append(_LETTERS[rest])
    return "".join(reversed(letters))
