"""Sessions of people in front of the dashboard, and links that sign in once, as Redis holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Sessions:
    """Both, in shard 0 only: kept under digests, so that nobody who reads Redis can use one."""

    client: Client
    keys: Keys

    def put(self, token: str, content: Mapping[str, Any], *, ttl_ms: int) -> None:
        """Keep a session, or what has changed in it, for so long.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        with store_errors():
            self.client.set(self.keys.at("session", _digest(token)), orjson.dumps(dict(content)), px=max(1, ttl_ms))

    def get(self, token: str) -> dict[str, Any] | None:
        """Return a session, or None.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        with store_errors():
            return _read(self.client.get(self.keys.at("session", _digest(token))))

    def drop(self, token: str) -> None:
        """Forget a session.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        with store_errors():
            self.client.delete(self.keys.at("session", _digest(token)))

    def put_link(self, token: str, content: Mapping[str, Any], *, ttl_ms: int) -> None:
        """Keep a link that signs in, for so long.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        with store_errors():
            self.client.set(self.keys.at("login", _digest(token)), orjson.dumps(dict(content)), px=ttl_ms)

    def take_link(self, token: str) -> dict[str, Any] | None:
        """Return what a link stands for, and forget it; None if it was taken before, or never was.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        key = self.keys.at("login", _digest(token))
        with store_errors():
            pipeline = self.client.pipeline(transaction=True)
            pipeline.get(key)
            pipeline.delete(key)
            raw, taken = pipeline.execute()
        return _read(raw) if taken else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:40]


def _read(raw: Any) -> dict[str, Any] | None:
    try:
        content = orjson.loads(raw) if isinstance(raw, bytes) else None
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None
