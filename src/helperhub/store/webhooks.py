"""Webhooks as Redis holds them: what each starts, and digests of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from helperhub.store.connection import store_errors
from helperhub.store.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The hash of webhooks, in shard 0 only."""

    scripts: Scripts

    def read(self, webhook_id: str) -> dict[str, Any] | None:
        """Return what is kept of one, or None."""
        raw = self.read_raw(webhook_id)
        return parse(raw) if raw else None

    def read_raw(self, webhook_id: str) -> bytes:
        """Return what is kept of one, as it stands there; empty if there is none."""
        with store_errors():
            raw = self.scripts.line.call("HGET", self.scripts.keys.at("webhooks"), webhook_id)
        return bytes(raw or b"")

    def all(self) -> dict[str, dict[str, Any]]:
        """Return all by id."""
        with store_errors():
            found = self.scripts.client.hgetall(self.scripts.keys.at("webhooks"))
        return {raw_id.decode(): parse(raw) for raw_id, raw in sorted(found.items())}

    def swap(self, webhook_id: str, before: bytes, after: Mapping[str, Any] | None) -> bool:
        """Replace what `read_raw` returned, empty for a new one; None drops it. False if it has changed since."""
        raw = orjson.dumps(dict(after), option=orjson.OPT_SORT_KEYS) if after is not None else b""
        return self.scripts.swap_entry("webhooks", webhook_id, before, raw)


def parse(raw: bytes) -> dict[str, Any]:
    """Return a webhook's content; of one that can't be read an empty one, which nothing fits."""
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
