"""Worker processes as people see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One registered worker process.

    Args:
        id: Its id, ``host:pid:chance``.
        about: What it says of itself: host, pid, threads, queues, version, schema.
        running: Executions it has in hand.
        suspended: Whether it claims nothing.
        lease_until_ms: When its lease ends, Redis TIME.
    """

    id: str
    about: dict[str, str]
    running: int
    suspended: bool
    lease_until_ms: int

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {
            "id": self.id,
            "host": self.about.get("host", ""),
            "pid": int(self.about.get("pid", 0)),
            "version": self.about.get("version", ""),
            "schema": int(self.about.get("schema", 0)),
            "threads": int(self.about.get("threads", 0)),
            "queues": [name for name in self.about.get("queues", "").split(",") if name],
            "status": "suspended" if self.suspended else "busy" if self.running else "idle",
            "running": self.running,
            "joined_at": to_rfc3339(from_ms(int(self.about.get("joined_at", 0)))),
            "lease_until": to_rfc3339(from_ms(self.lease_until_ms)),
        }


@dataclass(frozen=True, slots=True)
class Workers:
    """The worker registry."""

    client: Client
    keys: Keys

    def held(self, worker: str) -> dict[str, int]:
        """Return what a worker process has in hand: execution to number of its claim."""
        with store_errors():
            rows = self.client.hgetall(self.keys.at("held", worker))
        return {id_.decode(): int(claim) for id_, claim in rows.items()}

    def all(self) -> list[WorkerState]:
        """Return every registered worker process, by id."""
        with store_errors():
            rows = self.client.zrange(self.keys.at("workers"), 0, -1, withscores=True)
            pipeline = self.client.pipeline(transaction=False)
            pipeline.smembers(self.keys.at("paused"))
            for worker, _ in rows:
                pipeline.hgetall(self.keys.at("worker", worker.decode()))
                pipeline.hlen(self.keys.at("held", worker.decode()))
            paused, *rest = pipeline.execute()
        return sorted(
            (
                WorkerState(
                    id=worker.decode(),
                    about={k.decode(): v.decode(errors="replace") for k, v in rest[2 * i].items()},
                    running=rest[2 * i + 1],
                    suspended=b"worker:" + worker in paused,
                    lease_until_ms=int(until),
                )
                for i, (worker, until) in enumerate(rows)
            ),
            key=lambda state: state.id,
        )
