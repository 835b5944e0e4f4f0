"""Reading executions: by id, by state, by helper, by time."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from helperhub.errors import CorruptRecord
from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys
from helperhub.store.listing import Listing
from helperhub.store.record import CODE_BY_STATUS, ReadBody, Record, read_execution, unpack_record
from helperhub.store.waiting import Waiting

_CHUNK = 500
#: A stream entry's id as two numbers with the place in it, and the execution's id.
_StreamRow = tuple[tuple[int, int, int], str]


@dataclass(frozen=True, slots=True)
class Executions:
    """The executions of one shard.

    Args:
        client: Redis.
        keys: The shard's.
        read_body: Reads what an execution was given, sealed or not; None reads what isn't sealed.
    """

    client: Client
    keys: Keys
    read_body: ReadBody | None = None

    def record(self, execution_id: str) -> Record | None:
        """Return an execution's record, or None.

        Raises:
            CorruptRecord: It can't be decoded.
        """
        with store_errors():
            raw = self.client.get(self.keys.record(execution_id))
        return unpack_record(raw) if isinstance(raw, bytes) else None

    def get(self, execution_id: str) -> Execution | None:
        """Return an execution, or None; one that can't be decoded says so in its reason."""
        return next(iter(self.get_many([execution_id])), None)

    def get_many(self, ids: Sequence[str]) -> list[Execution]:
        """Return the executions that exist, in the order of ``ids``, in one round trip."""
        if not ids:
            return []
        with store_errors():
            raws = self.client.mget([self.keys.record(id_) for id_ in ids])
        pairs = zip(ids, raws, strict=True)
        return [_read(id_, raw, self.read_body) for id_, raw in pairs if isinstance(raw, bytes)]

    def records(self, ids: Iterable[str]) -> Iterator[tuple[str, Record]]:
        """Yield id and record of those of ``ids`` that exist and can be decoded."""
        iterator = iter(ids)
        while chunk := list(islice(iterator, _CHUNK)):
            with store_errors():
                raws = self.client.mget([self.keys.record(id_) for id_ in chunk])
            for id_, raw in zip(chunk, raws, strict=True):
                with contextlib.suppress(CorruptRecord):
                    if isinstance(raw, bytes):
                        yield id_, unpack_record(raw)

    def open_ids(self, queues: Iterable[str]) -> Iterator[str]:
        """Yield the ids of what waits in these queues, is parked, runs, or is a dead letter; some may come twice."""
        return self.open_ids_of(queues, self.helper_names())

    def helper_names(self) -> list[str]:
        """Return the helpers and instances of the catalogue."""
        with store_errors():
            helpers = [*self.client.hkeys(self.keys.at("catalogue")), *self.client.hkeys(self.keys.at("overrides"))]
        return [name.decode() for name in helpers]

    def open_ids_of(self, queues: Iterable[str], helpers: Iterable[str]) -> Iterator[str]:
        """Yield as `open_ids` what waits in these queues or is parked for these helpers."""
        yield from self.waiting_ids(queues)
        yield from self.parked_ids(helpers)
        yield from (execution.id for execution in self.running())
        yield from self.dead_ids()

    def finished(
        self, *, since: datetime | None = None, until: datetime | None = None, kinds: str = "sf"
    ) -> Iterator[Execution]:
        """Yield finished executions, newest first, across all queues.

        Args:
            since: At or after.
            until: At or before.
            kinds: ``s`` for successes, ``f`` for all other ends.
        """
        with store_errors():
            names = [name.decode() for name in self.client.smembers(self.keys.at("queues"))]
        streams = [self._stream(self.keys.at("ended", name, kind), since, until) for name in names for kind in kinds]
        ids = (id_ for _, id_ in heapq.merge(*streams, reverse=True))
        return self._load(ids)

    def of_helper(self, helper: str) -> Iterator[Execution]:
        """Yield a helper's finished executions, newest first."""
        lists = [self._load(self._list(self.keys.at("of", helper, kind))) for kind in "sf"]
        return heapq.merge(*lists, key=_finished, reverse=True)

    def dead(self) -> Iterator[Execution]:
        """Yield the dead letters, newest first."""
        return self._load(self._zset(self.keys.at("dead"), newest_first=True))

    def dead_ids(self) -> Iterator[str]:
        """Yield the ids of the dead letters, newest first."""
        return self._zset(self.keys.at("dead"), newest_first=True)

    def listing(self) -> Listing:
        """Return what lists finished executions and dead letters from a place on."""
        return Listing(self.client, self.keys, self.get_many)

    def untold(self, limit: int) -> list[str]:
        """Return up to ``limit`` ids of dead letters that nobody has been told of yet."""
        with store_errors():
            return [id_.decode() for id_ in self.client.srandmember(self.keys.at("untold"), limit)]

    def note_told(self, execution_id: str) -> None:
        """Note that whoever wants to know of a dead letter has been told."""
        with store_errors():
            self.client.srem(self.keys.at("untold"), execution_id)

    def uncalled(self, limit: int) -> list[str]:
        """Return up to ``limit`` ids of ended executions whose callback isn't enqueued yet."""
        with store_errors():
            return [id_.decode() for id_ in self.client.srandmember(self.keys.at("uncalled"), limit)]

    def note_called(self, ids: Sequence[str]) -> None:
        """Note that the callbacks of these ended executions are enqueued."""
        with store_errors():
            self.client.srem(self.keys.at("uncalled"), *ids)

    def count_dead(self) -> int:
        """Return how many dead letters there are."""
        with store_errors():
            return int(self.client.zcard(self.keys.at("dead")))

    def running(self) -> list[Execution]:
        """Return what worker processes have in hand."""
        with store_errors():
            workers = self.client.zrange(self.keys.at("workers"), 0, -1)
            pipeline = self.client.pipeline(transaction=False)
            for worker in workers:
                pipeline.hkeys(self.keys.at("held", worker.decode()))
            ids = [id_.decode() for held in pipeline.execute() for id_ in held]
        return self.get_many(ids)

    def waiting(self, queues: Iterable[str]) -> Iterator[Execution]:
        """Yield what waits, queue by queue: what could start now, what waits under limits, what is delayed."""
        return self._load(self.waiting_ids(queues))

    def waiting_ids(self, queues: Iterable[str]) -> Iterator[str]:
        """Yield the ids of what waits, as `waiting`."""
        for queue in queues:
            for kind in ("suspects", "ready"):
                yield from self._zset(self.keys.at(kind, queue))
            yield from Waiting(self.client, self.keys).ids(queue)
            yield from (id_[1:] for id_ in self._zset(self.keys.at("delayed", queue)))

    def waits_for(self, execution_id: str) -> dict[str, Any] | None:
        """Return the limit that an execution waits for and its place in line, or None; see `Waiting.waits_for`."""
        with contextlib.suppress(CorruptRecord):
            record = self.record(execution_id)
            if record is not None and record.status == CODE_BY_STATUS[Status.QUEUED]:
                return Waiting(self.client, self.keys).waits_for(execution_id, record)
        return None

    def parked(self, helpers: Iterable[str]) -> Iterator[Execution]:
        """Yield what waits behind the active executions of these helpers."""
        return self._load(self.parked_ids(helpers))

    def parked_ids(self, helpers: Iterable[str]) -> Iterator[str]:
        """Yield the ids of what waits behind the active executions of these helpers."""
        for helper in helpers:
            yield from self._zset(self.keys.at("parked", helper))

    def active(self, helper: str) -> list[Execution]:
        """Return the executions of a helper that are known to be active (where overlap counts)."""
        with store_errors():
            ids = self.client.smembers(self.keys.at("active", helper))
        return self.get_many([id_.decode() for id_ in ids])

    def complete_since(self) -> datetime | None:
        """Return since when the history is complete, if memory ran short; None means since its lifetime began."""
        with store_errors():
            raw = self.client.hget(self.keys.at("history"), "complete_since_ms")
        return from_ms(int(raw)) if raw else None

    def are_cancelled(self, ids: Sequence[str]) -> list[bool]:
        """Return for each of these running executions whether somebody asked to stop it."""
        with store_errors():
            return [bool(found) for found in self.client.smismember(self.keys.at("cancel"), list(ids))]

    def progress(self, execution_id: str) -> bytes | None:
        """Return the last progress report, JSON, or None."""
        with store_errors():
            raw = self.client.get(self.keys.at("progress", execution_id))
        return raw if isinstance(raw, bytes) else None

    def log(self, execution_id: str, *, start: int = 0) -> list[bytes]:
        """Return the kept log lines of an execution, JSON, oldest first, from the ``start``-th on."""
        with store_errors():
            lines: list[bytes] = self.client.lrange(self.keys.at("log", execution_id), start, -1)
        return lines

    def _load(self, ids: Iterable[str]) -> Iterator[Execution]:
        iterator = iter(ids)
        while chunk := list(islice(iterator, _CHUNK)):
            yield from self.get_many(chunk)

    def _stream(self, key: str, since: datetime | None, until: datetime | None) -> Iterator[_StreamRow]:
        low = "-" if since is None else str(epoch_ms(since))
        high = "+" if until is None else str(epoch_ms(until))
        while True:
            with store_errors():
                entries = self.client.xrevrange(key, high, low, count=_CHUNK)
            for entry_id, values in entries:
                ms, _, number = entry_id.decode().partition("-")
                # Those that ended in one call stand together, oldest first.
                for at, id_ in reversed([*enumerate(values[b"i"].decode().split("\0"))]):
                    yield (int(ms), int(number), at), id_
            if len(entries) < _CHUNK:
                return
            high = "(" + entries[-1][0].decode()

    def _list(self, key: str) -> Iterator[str]:
        start = 0
        while True:
            with store_errors():
                ids = self.client.lrange(key, start, start + _CHUNK - 1)
            yield from (id_.decode() for id_ in ids)
            if len(ids) < _CHUNK:
                return
            start += _CHUNK

    def _zset(self, key: str, *, newest_first: bool = False) -> Iterator[str]:
        start = 0
        while True:
            with store_errors():
                ids = self.client.zrange(key, start, start + _CHUNK - 1, desc=newest_first)
            yield from (id_.decode() for id_ in ids)
            if len(ids) < _CHUNK:
                return
            start += _CHUNK


def _read(execution_id: str, raw: bytes, read_body: ReadBody | None) -> Execution:
    try:
        return read_execution(execution_id, unpack_record(raw), read_body=read_body)
    except (CorruptRecord, ValueError, KeyError) as error:
        return Execution(
            id=execution_id,
            helper="unreadable",
            queue="",
            priority=5,
            status=Status.ERROR,
            reason="its record can't be decoded",
            payload={"raw": raw[:4096].hex()},
            errors=(AttemptError("CorruptRecord", str(error)),),
        )


def _finished(execution: Execution) -> float:
    return execution.finished_at.timestamp() if execution.finished_at else 0.0
