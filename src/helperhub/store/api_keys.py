"""API keys as Redis holds them: what they may do, and a digest of their secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys
from helperhub.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The hash of keys, and when each was used last; in shard 0 only."""

    scripts: Scripts

    @property
    def client(self) -> Client:
        """The client of that shard."""
        return self.scripts.client

    @property
    def keys(self) -> Keys:
        """The keys of that shard."""
        return self.scripts.keys

    def read(self, key_id: str) -> dict[str, Any] | None:
        """Return what is kept of one key, or None."""
        raw = self.read_raw(key_id)
        return parse(raw) if raw else None

    def read_raw(self, key_id: str) -> bytes:
        """Return what is kept of one key, as it stands there; empty if there is none."""
        with store_errors():
            raw = self.client.hget(self.keys.at("apikeys"), key_id)
        return bytes(raw or b"")

    def all(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield id and content of every key, with ``last_used_ms``, by id."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.hgetall(self.keys.at("apikeys"))
            pipeline.hgetall(self.keys.at("apikeys", "used"))
            found, used = pipeline.execute()
        for raw_id, raw in sorted(found.items()):
            yield raw_id.decode(), {**parse(raw), "last_used_ms": int(used.get(raw_id, 0))}

    def add(self, key_id: str, content: Mapping[str, Any]) -> bool:
        """Keep a new key; False if there is one of that id."""
        with store_errors():
            return bool(self.client.hsetnx(self.keys.at("apikeys"), key_id, orjson.dumps(dict(content))))

    def swap(self, key_id: str, before: bytes, after: Mapping[str, Any]) -> bool:
        """Replace what `read_raw` returned; False if it has changed, or was revoked, since."""
        return self.scripts.swap_entry("apikeys", key_id, before, orjson.dumps(dict(after)))

    def remove(self, key_id: str) -> bool:
        """Forget a key; False if there was none."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.hdel(self.keys.at("apikeys"), key_id)
            pipeline.hdel(self.keys.at("apikeys", "used"), key_id)
            return bool(pipeline.execute()[0])

    def note_used(self, key_id: str, at_ms: int) -> None:
        """Note when a key was used."""
        with store_errors():
            self.client.hset(self.keys.at("apikeys", "used"), key_id, at_ms)

    def count(self) -> int:
        """Return how many keys there are."""
        with store_errors():
            return int(self.client.hlen(self.keys.at("apikeys")))


def parse(raw: bytes) -> dict[str, Any]:
    """Return a key's content; of one that can't be read an empty one, which nothing fits."""
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
