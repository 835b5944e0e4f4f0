"""Saved searches, as Redis holds them: each person's or key's own, in shard 0 only."""

from __future__ import annotations

from dataclasses import dataclass

from helperhub.store.connection import store_errors
from helperhub.store.scripts import Scripts

#: One's views are kept so long after somebody looked at them, ms: a year.
KEEP_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Views:
    """The searches that people have saved, by name."""

    scripts: Scripts

    def all(self, who: str) -> dict[str, str]:
        """Return name and search of all of one's views, which live on by that."""
        key = self.scripts.keys.at("views", who)
        with store_errors():
            pipeline = self.scripts.client.pipeline(transaction=False)
            pipeline.hgetall(key)
            pipeline.pexpire(key, KEEP_MS)
            found, _ = pipeline.execute()
        return {str(name, "utf-8"): str(query, "utf-8") for name, query in found.items()}

    def save(self, who: str, before: str, name: str, query: str, *, most: int) -> int:
        """Save or rename one; see the script for the answer."""
        return self.scripts.save_view(who, before, name, query, most=most, keep_ms=KEEP_MS)

    def drop(self, who: str, name: str) -> bool:
        """Forget one; False if there is none."""
        with store_errors():
            return bool(self.scripts.client.hdel(self.scripts.keys.at("views", who), name))
