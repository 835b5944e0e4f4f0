"""The hub as a whole: what it has, what is at work, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from helperhub.errors import StoreError
from helperhub.model.execution import Execution
from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.store.catalogue import Catalogue
from helperhub.store.executions import Executions as Records
from helperhub.store.queues import Queues as QueueStore
from helperhub.store.queues import QueueStats
from helperhub.store.scripts import Scripts
from helperhub.store.server import ServerFacts, read_servers
from helperhub.store.workers import Workers as WorkerStore

#: A scheduler looks at the plan several times a second; silent this long means gone.
SCHEDULER_SILENT_MS = 10_000
_MEMORY_SHORT = 0.8
#: So much of a queue is looked at for what a caller may see.
_MOST_LOOKED = 10_000
#: So many alerts are named.
_MOST_ALERTS = 20
_OF_ALERT = ("id", "rule", "subject", "severity", "state", "text", "since")
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """The figures of several queues in one.

    Args:
        waiting: Executions that wait: ready, delayed, parked or limited.
        running: Executions in hand of a worker process.
        totals: Counters since the hub was made: enqueued, started, retried and each final state.
        mean_wait_ms: Mean time from due to start; 0 before the first start.
        mean_run_ms: Mean time from start to outcome; 0 before the first start.
    """

    waiting: int
    running: int
    totals: dict[str, int]
    mean_wait_ms: float
    mean_run_ms: float

    @property
    def failed(self) -> int:
        """How many failed for good: with an error, or because their time had passed."""
        return self.totals.get("error", 0) + self.totals.get("expired", 0)


def sum_queues(queues: Iterable[QueueStats]) -> QueueTotals:
    """Return the figures of all these queues together; means are weighted by what started."""
    found = list(queues)
    totals: dict[str, int] = {}
    for queue in found:
        for word, count in queue.totals.items():
            totals[word] = totals.get(word, 0) + count
    started = totals.get("started", 0)
    wait_ms = sum((queue.mean_wait_ms or 0.0) * queue.totals["started"] for queue in found)
    run_ms = sum((queue.mean_run_ms or 0.0) * queue.totals["started"] for queue in found)
    return QueueTotals(
        waiting=sum(queue.ready + queue.delayed + queue.parked + queue.limited for queue in found),
        running=sum(queue.running for queue in found),
        totals=totals,
        mean_wait_ms=wait_ms / started if started else 0.0,
        mean_run_ms=run_ms / started if started else 0.0,
    )


@dataclass(frozen=True, slots=True)
class Overview:
    """Says how the hub is.

    Args:
        hub: Its name.
        version: This process's release.
        scripts: The store's shard 0.
        catalogue: For helpers, plan and schedulers.
        queues: Depths and counters.
        workers: The worker registry.
        records: For the dead letters.
        of_archive: Returns what is wrong with the archive.
        alerts: Tells what fires, as documents, newest first.
    """

    hub: str
    version: str
    scripts: Scripts
    catalogue: Catalogue
    queues: QueueStore
    workers: WorkerStore
    records: Records
    of_archive: Callable[[], list[str]]
    alerts: Callable[[], list[dict[str, Any]]]

    def status(self) -> dict[str, Any]:
        """Return the status of the hub as a document.

        Raises:
            StoreError: Redis can't be asked.
        """
        now_ms = self.scripts.due(limit=1).now_ms
        snapshot = self.catalogue.current()
        helpers = {
            "known": len(snapshot.rows),
            "enabled": sum(row.spec.enabled for row in snapshot.rows.values()),
            "unreadable": len(snapshot.unreadable),
            "planned": self.scripts.count_planned(),
        }
        schedulers = self._schedulers(now_ms)
        workers = self._workers()
        redis = self._redis()
        problems = [
            *_lacks(schedulers, workers),
            *_complaints(redis),
            *_unreadable(helpers),
            *self.of_archive(),
        ]
        return {
            "hub": self.hub,
            "version": self.version,
            "status": "degraded" if problems else "operational",
            "problems": problems,
            "at": to_rfc3339(from_ms(now_ms)),
            "redis": redis,
            "schedulers": schedulers,
            "workers": workers,
            "queues": self._queues(),
            "dead_letters": self.records.count_dead(),
            "helpers": helpers,
            "alerts": self._alerts(),
        }

    def now(self) -> datetime:
        """Return Redis TIME.

        Raises:
            StoreError: Redis can't be asked.
        """
        return from_ms(self.scripts.due(limit=1).now_ms)

    def running(self) -> list[Execution]:
        """Return what worker processes have in hand, the longest enqueued first."""
        return sorted(self.records.running(), key=lambda one: (one.enqueued_at or _NEVER, one.id))

    def waiting(self, wanted: Callable[[Execution], bool], *, limit: int) -> list[Execution]:
        """Return what waits in the queues, by due time, then priority.

        Args:
            wanted: Tells whether one is wanted; asked of the first 10,000 of each queue.
            limit: At most so many.
        """
        found: list[Execution] = []
        for queue in self.queues.names():
            looked = islice(self.records.waiting([queue]), _MOST_LOOKED)
            found += islice(filter(wanted, looked), limit)
        found.sort(key=lambda one: (one.due_at or one.enqueued_at or _NEVER, one.priority, one.id))
        return found[:limit]

    def _alerts(self) -> dict[str, Any]:
        found = self.alerts()
        named = [{name: one[name] for name in _OF_ALERT} for one in found[:_MOST_ALERTS]]
        return {"firing": len(found), "newest": named}

    def _redis(self) -> list[dict[str, Any]]:
        servers = read_servers(self.scripts.client)
        return [_server(address, facts) for address, facts in servers.items()]

    def _schedulers(self, now_ms: int) -> dict[str, Any]:
        heard = self.catalogue.schedulers()
        last_ms = max(heard.values(), default=None)
        return {
            "at_work": sum(now_ms - at < SCHEDULER_SILENT_MS for at in heard.values()),
            "last_heard_at": None if last_ms is None else to_rfc3339(from_ms(last_ms)),
        }

    def _workers(self) -> dict[str, int]:
        states = [state.to_document() for state in self.workers.all()]
        words = [state["status"] for state in states]
        return {
            "processes": len(states),
            "threads": sum(state["threads"] for state in states),
            "busy": words.count("busy"),
            "idle": words.count("idle"),
            "suspended": words.count("suspended"),
        }

    def _queues(self) -> dict[str, Any]:
        found = self.queues.stats()
        sums = sum_queues(found)
        return {
            "known": len(found),
            "paused": sum(queue.paused for queue in found),
            "waiting": sums.waiting,
            "running": sums.running,
            "totals": sums.totals,
            "mean_wait_ms": sums.mean_wait_ms,
            "mean_run_ms": sums.mean_run_ms,
        }


def _server(address: str, facts: ServerFacts | StoreError) -> dict[str, Any]:
    if isinstance(facts, StoreError):
        known: dict[str, Any] = dict.fromkeys(("engine", "version", "used_memory_bytes", "max_memory_bytes"))
        return {"address": address, **known, "error": facts.message}
    return {
        "address": address,
        "engine": facts.engine,
        "version": facts.version,
        "used_memory_bytes": facts.used_memory,
        "max_memory_bytes": facts.maxmemory or None,
        "error": None,
    }


def _lacks(schedulers: dict[str, Any], workers: dict[str, int]) -> list[str]:
    found = []
    if not schedulers["at_work"]:
        found.append("No scheduler is at work: nothing that is planned will be enqueued.")
    if not workers["processes"]:
        found.append("No worker process is at work: nothing that is enqueued will run.")
    elif workers["suspended"] == workers["processes"]:
        found.append("All worker processes are paused: nothing that is enqueued will run.")
    return found


def _complaints(servers: Iterable[dict[str, Any]]) -> list[str]:
    found = []
    for server in servers:
        name = f"Redis at {server['address']}" if server["address"] else "Redis"
        used, most = server["used_memory_bytes"], server["max_memory_bytes"]
        if server["error"] is not None:
            found.append(f"{name} can't be asked: {server['error']}")
        elif most and used > _MEMORY_SHORT * most:
            found.append(f"{name} uses {round(100 * used / most)} % of its memory; at 100 % it takes no new work.")
    return found


def _unreadable(helpers: dict[str, int]) -> list[str]:
    count = helpers["unreadable"]
    return [f"{count} of the catalogue's helpers can't be read; 'helperhub doctor' says why."] if count else []


__all__ = ["Overview", "QueueTotals", "sum_queues"]
