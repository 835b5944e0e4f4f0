"""Answers kept for requests that may come again under one key."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys

#: How long an answer is kept.
KEPT_MS = 24 * 3_600_000
#: How long a request may be under way before its key is free again, for the process may have died.
UNDER_WAY_MS = 60_000


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What the first request under a key came to.

    Args:
        fingerprint: Digest of its body.
        status: None while it is under way.
        headers: Of the answer.
        body: Of the answer; None where it held a secret, which isn't kept.
    """

    fingerprint: str
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that a request holds while it is under way."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The kept answers, in shard 0 only."""

    client: Client
    keys: Keys

    def claim(self, parts: Sequence[str], fingerprint: str) -> Claim | KeptAnswer:
        """Take a key for a request, or return what another one under it came to.

        Args:
            parts: Caller, method, path and key.
            fingerprint: Digest of the body.
        """
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        key = self.keys.at("idempotency", digest[:40])
        value = orjson.dumps({"f": fingerprint, "t": secrets.token_hex(8)})
        with store_errors():
            # NX and GET together since Redis 7.0: one call sets it, or answers what is there.
            raw = self.client.set(key, value, nx=True, get=True, px=UNDER_WAY_MS)
        # A lost reply makes redis-py ask again: then the key is this request's own.
        return Claim(key, value) if raw is None or raw == value else _read(raw)

    def keep(self, claim: Claim, answer: KeptAnswer) -> None:
        """Keep what the request came to."""
        body = None if answer.body is None else base64.b64encode(answer.body).decode()
        kept = {"f": answer.fingerprint, "s": answer.status, "h": answer.headers, "b": body}
        with store_errors():
            self.client.set(claim.key, orjson.dumps(kept), px=KEPT_MS)

    def release(self, claim: Claim) -> None:
        """Free the key: what the request asked for wasn't done."""
        with store_errors():
            if self.client.get(claim.key) == claim.value:
                self.client.delete(claim.key)


def _read(raw: bytes) -> KeptAnswer:
    try:
        kept = orjson.loads(raw)
        body = kept.get("b")
        headers = tuple((str(name), str(value)) for name, value in kept.get("h", ()))
        return KeptAnswer(kept["f"], kept.get("s"), headers, None if body is None else base64.b64decode(body))
    except (ValueError, TypeError, KeyError, AttributeError):
        # It ends by its lifetime; until then nobody can tell what was asked.
        return KeptAnswer("")
