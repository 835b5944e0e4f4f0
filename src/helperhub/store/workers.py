"""Worker processes as people see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Doing:
    """What one thread of a worker process runs.

    Args:
        thread: Its number, from 1.
        id: The execution.
        for_ms: For how long it has been seen to; a second more or less.
    """

    thread: int
    id: str
    for_ms: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a keeper sees of a worker process from outside.

    Args:
        memory_bytes: Resident memory; 0 where it can't be told.
        doing: What its threads run; threads that run nothing are left out.
    """

    memory_bytes: int
    doing: tuple[Doing, ...]

    def to_text(self) -> str:
        """Return it as the registry holds it."""
        rows = [[one.thread, one.id, one.for_ms] for one in self.doing]
        return orjson.dumps({"memory": self.memory_bytes, "doing": rows}).decode()


def read_seen(text: str) -> Seen | None:
    """Return what a keeper has seen; None if that isn't there, or not to be understood."""
    try:
        found = orjson.loads(text)
        return Seen(int(found["memory"]), tuple(Doing(int(a), str(b), int(c)) for a, b, c in found["doing"]))
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One registered worker process.

    Args:
        id: Its id, ``host:pid:chance``.
        about: What it says of itself: host, pid, threads, queues, version, schema; and what is seen of it.
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
        """Return the document that every face shows; `services.fleet` adds the helpers of what it is doing."""
        seen, seen_at_ms = read_seen(self.about.get("seen", "")), int(self.about.get("seen_at", 0))
        doing = seen.doing if seen else ()
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
            "memory_bytes": (seen.memory_bytes or None) if seen else None,
            "seen_at": to_rfc3339(from_ms(seen_at_ms)) if seen else None,
            "doing": [
                {"thread": one.thread, "id": one.id, "since": to_rfc3339(from_ms(seen_at_ms - one.for_ms))}
                for one in doing
            ],
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
