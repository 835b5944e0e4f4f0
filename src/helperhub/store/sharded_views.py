"""Executions, queues and worker processes of a hub with several shards: listings merge, counters add."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, TypeVar

from helperhub.errors import StoreUnavailable
from helperhub.model.execution import Execution
from helperhub.store.executions import Executions
from helperhub.store.listing import Listing, ShardedListing
from helperhub.store.queues import Queues, QueueStats
from helperhub.store.record import Record
from helperhub.store.workers import Workers, WorkerState

T = TypeVar("T")
_OLD = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ShardedExecutions(Executions):
    """The executions of all shards; an id is found wherever it is."""

    parts: tuple[Executions, ...] = ()

    def record(self, execution_id: str) -> Record | None:
        """Return an execution's record, or None."""
        return self._first(lambda part: part.record(execution_id))

    def get(self, execution_id: str) -> Execution | None:
        """Return an execution, or None."""
        return self._first(lambda part: part.get(execution_id))

    def get_many(self, ids: Sequence[str]) -> list[Execution]:
        """Return the executions that exist, in the order of ``ids``."""
        found = {one.id: one for part in self.parts for one in part.get_many(ids)}
        return [found[id_] for id_ in ids if id_ in found]

    def records(self, ids: Iterable[str]) -> Iterator[tuple[str, Record]]:
        """Yield id and record of those of ``ids`` that exist and can be decoded."""
        wanted = list(ids)
        return chain.from_iterable(part.records(wanted) for part in self.parts)

    def open_ids(self, queues: Iterable[str]) -> Iterator[str]:
        """Yield the ids of what isn't over, and of the dead letters; some may come twice."""
        names, helpers = list(queues), self.parts[0].helper_names()
        return chain.from_iterable(part.open_ids_of(names, helpers) for part in self.parts)

    def finished(
        self, *, since: datetime | None = None, until: datetime | None = None, kinds: str = "sf"
    ) -> Iterator[Execution]:
        """Yield finished executions, newest first."""
        return _newest_first(part.finished(since=since, until=until, kinds=kinds) for part in self.parts)

    def of_helper(self, helper: str) -> Iterator[Execution]:
        """Yield a helper's finished executions, newest first."""
        return _newest_first(part.of_helper(helper) for part in self.parts)

    def dead(self) -> Iterator[Execution]:
        """Yield the dead letters, newest first."""
        return _newest_first(part.dead() for part in self.parts)

    def dead_ids(self) -> Iterator[str]:
        """Yield the ids of the dead letters, shard by shard."""
        return chain.from_iterable(part.dead_ids() for part in self.parts)

    def listing(self) -> Listing:
        """Return what lists finished executions and dead letters from a place on."""
        parts = tuple(part.listing() for part in self.parts)
        return ShardedListing(self.client, self.keys, self.get_many, parts=parts)

    def untold(self, limit: int) -> list[str]:
        """Return up to ``limit`` ids of dead letters that nobody has been told of yet, of shards that are there."""
        found: list[str] = []
        for part in self.parts:
            if len(found) < limit:
                with contextlib.suppress(StoreUnavailable):
                    found += part.untold(limit - len(found))
        return found

    def note_told(self, execution_id: str) -> None:
        """Note that whoever wants to know of a dead letter has been told; only its own shard knows it."""
        for part in self.parts:
            with contextlib.suppress(StoreUnavailable):
                part.note_told(execution_id)

    def uncalled(self, limit: int) -> list[str]:
        """Return up to ``limit`` ids of ended executions whose callback isn't enqueued yet, where a shard is there."""
        found: list[str] = []
        for part in self.parts:
            if len(found) < limit:
                with contextlib.suppress(StoreUnavailable):
                    found += part.uncalled(limit - len(found))
        return found

    def note_called(self, ids: Sequence[str]) -> None:
        """Note that the callbacks of these ended executions are enqueued; only their own shards know them."""
        for part in self.parts:
            with contextlib.suppress(StoreUnavailable):
                part.note_called(ids)

    def count_dead(self) -> int:
        """Return how many dead letters there are."""
        return sum(part.count_dead() for part in self.parts)

    def running(self) -> list[Execution]:
        """Return what worker processes have in hand."""
        return [execution for part in self.parts for execution in part.running()]

    def waiting(self, queues: Iterable[str]) -> Iterator[Execution]:
        """Yield what waits, queue by queue."""
        return (execution for queue in queues for part in self.parts for execution in part.waiting([queue]))

    def parked(self, helpers: Iterable[str]) -> Iterator[Execution]:
        """Yield what waits behind the active executions of these helpers."""
        return (execution for helper in helpers for part in self.parts for execution in part.parked([helper]))

    def waiting_ids(self, queues: Iterable[str]) -> Iterator[str]:
        """Yield the ids of what waits, as `waiting`."""
        return (id_ for queue in queues for part in self.parts for id_ in part.waiting_ids([queue]))

    def parked_ids(self, helpers: Iterable[str]) -> Iterator[str]:
        """Yield the ids of what waits behind the active executions of these helpers."""
        return (id_ for helper in helpers for part in self.parts for id_ in part.parked_ids([helper]))

    def waits_for(self, execution_id: str) -> dict[str, Any] | None:
        """Return the limit that an execution waits for and its place in line, or None."""
        return self._first(lambda part: part.waits_for(execution_id))

    def active(self, helper: str) -> list[Execution]:
        """Return the executions of a helper that are known to be active."""
        return [execution for part in self.parts for execution in part.active(helper)]

    def complete_since(self) -> datetime | None:
        """Return since when the history of all shards is complete, if memory ran short in one."""
        return max((since for part in self.parts if (since := part.complete_since())), default=None)

    def are_cancelled(self, ids: Sequence[str]) -> list[bool]:
        """Return for each of these running executions whether somebody asked to stop it."""
        answers = [part.are_cancelled(ids) for part in self.parts]
        return [any(found) for found in zip(*answers, strict=True)]

    def progress(self, execution_id: str) -> bytes | None:
        """Return the last progress report, JSON, or None."""
        return self._first(lambda part: part.progress(execution_id))

    def log(self, execution_id: str, *, start: int = 0) -> list[bytes]:
        """Return the kept log lines of an execution, JSON, oldest first."""
        return self._first(lambda part: part.log(execution_id, start=start) or None) or []

    def _first(self, look: Callable[[Executions], T | None]) -> T | None:
        """Return what the first shard that has it answers; one that is down counts only if no other has it."""
        away: StoreUnavailable | None = None
        for part in self.parts:
            try:
                found = look(part)
            except StoreUnavailable as error:
                away = error
                continue
            if found is not None:
                return found
        if away is not None:
            raise away
        return None


@dataclass(frozen=True, slots=True)
class ShardedQueues(Queues):
    """The queues of all shards."""

    parts: tuple[Queues, ...] = ()

    def names(self) -> list[str]:
        """Return every queue ever used, by name."""
        return sorted({name for part in self.parts for name in part.names()})

    def unfinished(self, queue: str) -> int:
        """Return how many executions wait, are delayed or run in ``queue``."""
        return sum(part.unfinished(queue) for part in self.parts)

    def stats(self) -> list[QueueStats]:
        """Return the state of every queue, summed."""
        sums: dict[str, QueueStats] = {}
        for part in self.parts:
            for stats in part.stats():
                sums[stats.name] = _add(sums[stats.name], stats) if stats.name in sums else stats
        return [sums[name] for name in sorted(sums)]

    def pause(self, name: str) -> None:
        """Claim nothing more from ``name`` in any shard."""
        for part in self.parts:
            part.pause(name)

    def resume(self, name: str) -> bool:
        """Claim from ``name`` again; False if it wasn't paused."""
        resumed = [part.resume(name) for part in self.parts]
        return any(resumed)


@dataclass(frozen=True, slots=True)
class ShardedWorkers(Workers):
    """The worker processes of shard 0's registry, with what they have in hand in all shards."""

    parts: tuple[Workers, ...] = ()

    def held(self, worker: str) -> dict[str, int]:
        """Return what a worker process has in hand: execution to number of its claim."""
        return {id_: claim for part in self.parts for id_, claim in part.held(worker).items()}

    def all(self) -> list[WorkerState]:
        """Return every registered worker process, by id."""
        first, *others = [part.all() for part in self.parts]
        running: dict[str, int] = {}
        for state in chain.from_iterable(others):
            running[state.id] = running.get(state.id, 0) + state.running
        return [replace(state, running=state.running + running.get(state.id, 0)) for state in first]


def _newest_first(parts: Iterable[Iterator[Execution]]) -> Iterator[Execution]:
    return heapq.merge(*parts, key=lambda execution: execution.finished_at or _OLD, reverse=True)


def _add(one: QueueStats, other: QueueStats) -> QueueStats:
    totals = {word: count + other.totals[word] for word, count in one.totals.items()}
    return QueueStats(
        name=one.name,
        ready=one.ready + other.ready,
        delayed=one.delayed + other.delayed,
        parked=one.parked + other.parked,
        limited=one.limited + other.limited,
        running=one.running + other.running,
        paused=one.paused or other.paused,
        totals=totals,
        mean_wait_ms=_mean(one.mean_wait_ms, one.totals["started"], other.mean_wait_ms, other.totals["started"]),
        mean_run_ms=_mean(one.mean_run_ms, one.totals["started"], other.mean_run_ms, other.totals["started"]),
    )


def _mean(one: float | None, of_one: int, other: float | None, of_other: int) -> float | None:
    if not of_one + of_other:
        return None
    return ((one or 0) * of_one + (other or 0) * of_other) / (of_one + of_other)


def spread_executions(parts: Sequence[Executions]) -> Executions:
    """Return the executions of all shards as one's; of a single shard its own."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return ShardedExecutions(first.client, first.keys, first.read_body, parts=tuple(parts))


def spread_queues(parts: Sequence[Queues]) -> Queues:
    """Return the queues of all shards as one's; of a single shard its own."""
    return parts[0] if len(parts) == 1 else ShardedQueues(parts[0].client, parts[0].keys, parts=tuple(parts))


def spread_workers(parts: Sequence[Workers]) -> Workers:
    """Return the worker processes of all shards as one's; of a single shard its own."""
    return parts[0] if len(parts) == 1 else ShardedWorkers(parts[0].client, parts[0].keys, parts=tuple(parts))
