"""What the scheduler that registered last found installed, as Redis holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Registered:
    """One document, in shard 0 only."""

    client: Client
    keys: Keys

    def put(self, document: Mapping[str, Any]) -> None:
        """Replace it.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        with store_errors():
            self.client.set(self.keys.at("plugins"), orjson.dumps(dict(document)))

    def get(self) -> dict[str, Any] | None:
        """Return it; None if no scheduler has registered yet.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        with store_errors():
            raw = self.client.get(self.keys.at("plugins"))
        try:
            found = orjson.loads(raw) if raw else None
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None
