"""The audit trail as Redis holds it: a stream that is only ever added to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from helperhub.store.connection import store_errors
from helperhub.store.scripts import Scripts

#: Entries kept, about; an archive keeps them all.
MOST = 100_000
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class AuditStream:
    """The stream, in shard 0 only."""

    scripts: Scripts

    def add(self, entry: Mapping[str, Any]) -> str:
        """Append an entry and return its id: ms and a number, in order of time."""
        return self.scripts.note_audit(orjson.dumps(dict(entry), default=str), most=MOST)

    def newest_first(self, *, before: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield id and content of every entry, newest first.

        Args:
            before: Only those older than this id.
        """
        high = "+" if before is None else f"({before}"
        while True:
            with store_errors():
                rows = self.scripts.client.xrevrange(self.scripts.keys.at("audit"), high, "-", count=_CHUNK)
            for raw_id, fields in rows:
                yield raw_id.decode(), _read(fields.get(b"e", b""))
            if len(rows) < _CHUNK:
                return
            high = f"({rows[-1][0].decode()}"


def _read(raw: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {"action": "unreadable"}
    return content if isinstance(content, dict) else {"action": "unreadable"}
