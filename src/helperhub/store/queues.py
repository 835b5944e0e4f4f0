"""Queues as people see them: depths, counters, pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from helperhub.store.bell import ring
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys

_COUNTER_NAMES = {
    "enqueued": "enqueued",
    "started": "started",
    "retried": "retried",
    "s": "success",
    "e": "error",
    "x": "expired",
    "c": "cancelled",
    "k": "skipped",
}


@dataclass(frozen=True, slots=True)
class QueueStats:
    """One queue at one moment.

    Args:
        name: The queue.
        ready: Executions that could start now.
        delayed: Executions that wait for their due time.
        parked: Executions that wait until an earlier one of their helper ends.
        limited: Executions that wait under limits of their helper: for a slot, for a rate, or to be claimed.
        running: Executions in hand of a worker process.
        paused: Whether nothing is claimed from it.
        totals: Counters since the hub was made: enqueued, started, retried and each final state.
        mean_wait_ms: Mean time from due to start, None before the first start.
        mean_run_ms: Mean time from start to outcome, None before the first start.
    """

    name: str
    ready: int
    delayed: int
    parked: int
    limited: int
    running: int
    paused: bool
    totals: dict[str, int]
    mean_wait_ms: float | None
    mean_run_ms: float | None

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {
            "name": self.name,
            "ready": self.ready,
            "delayed": self.delayed,
            "parked": self.parked,
            "limited": self.limited,
            "running": self.running,
            "paused": self.paused,
            "totals": self.totals,
            "mean_wait_ms": self.mean_wait_ms,
            "mean_run_ms": self.mean_run_ms,
        }


@dataclass(frozen=True, slots=True)
class Queues:
    """The queues of one shard."""

    client: Client
    keys: Keys

    def names(self) -> list[str]:
        """Return every queue ever used, by name."""
        with store_errors():
            return sorted(str(name, "utf-8") for name in self.client.smembers(self.keys.at("queues")))

    def unfinished(self, queue: str) -> int:
        """Return how many executions wait, are delayed or run in ``queue``.

        Exact once nothing more is enqueued: the counters say how many came in and how many ended.
        """
        with store_errors():
            enqueued, ended = self.client.hmget(self.keys.at("count", queue), ["enqueued", "ended"])
        return int(enqueued or 0) - int(ended or 0)

    def oldest_ended(self, queues: Sequence[str]) -> tuple[str, str] | None:
        """Return queue and kind (``s`` or ``f``) of the oldest entry in the history, or None if there is none."""
        places = [(queue, kind) for queue in queues for kind in "sf"]
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            for queue, kind in places:
                pipeline.xrange(self.keys.at("ended", queue, kind), count=1)
            answers = pipeline.execute()
        # Stream ids begin with the ms of the end.
        found = [
            (int(rows[0][0].partition(b"-")[0]), *place) for rows, place in zip(answers, places, strict=True) if rows
        ]
        return min(found)[1:] if found else None

    def stats(self) -> list[QueueStats]:
        """Return the state of every queue, in one round trip for all."""
        names = self.names()
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.smembers(self.keys.at("paused"))
            for name in names:
                pipeline.zcard(self.keys.at("ready", name))
                pipeline.zcard(self.keys.at("suspects", name))
                pipeline.zcard(self.keys.at("delayed", name))
                pipeline.hgetall(self.keys.at("count", name))
            paused, *rest = pipeline.execute()
        return [
            _stats(name, ready + suspects, delayed, raw, paused=name.encode() in paused)
            for name, ready, suspects, delayed, raw in zip(names, *(rest[i::4] for i in range(4)), strict=True)
        ]

    def pause(self, name: str) -> None:
        """Claim nothing more from ``name`` (a queue, or ``worker:<id>``)."""
        with store_errors():
            self.client.sadd(self.keys.at("paused"), name)

    def resume(self, name: str) -> bool:
        """Claim from ``name`` again, at once; False if it wasn't paused."""
        with store_errors():
            if not self.client.srem(self.keys.at("paused"), name):
                return False
            waiting = self.client.zrange(self.keys.at("idle", name), 0, -1)
        worker = name.removeprefix("worker:")
        for id_ in [worker] if worker != name else [raw.decode() for raw in waiting]:
            ring(self.client, self.keys, id_)
        return True


def _stats(name: str, ready: int, delayed: int, raw: dict[bytes, bytes], *, paused: bool) -> QueueStats:
    counters = {key.decode(): int(value) for key, value in raw.items()}
    totals = {word: counters.get(code, 0) for code, word in _COUNTER_NAMES.items()}
    ended = counters.get("ended", 0)
    parked = max(0, counters.get("parked", 0))
    limited = max(0, counters.get("limited", 0))
    started = totals["started"]
    return QueueStats(
        name=name,
        ready=ready,
        delayed=delayed,
        parked=parked,
        limited=limited,
        running=max(0, totals["enqueued"] - ended - ready - delayed - parked - limited),
        paused=paused,
        totals=totals,
        mean_wait_ms=counters.get("wait_ms", 0) / started if started else None,
        mean_run_ms=counters.get("run_ms", 0) / started if started else None,
    )
