"""What alerts look at in one shard: only what is new, however much there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from helperhub.errors import CorruptRecord
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys
from helperhub.store.record import Record, unpack_record


@dataclass(slots=True)
class EndsRead:
    """Ends that were read one after the other.

    Args:
        ends: When each ended (ms), and its id.
        complete: Whether there are no more for now.
    """

    ends: list[tuple[int, str]] = field(default_factory=list)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Watching:
    """Looks at one shard.

    Args:
        client: Redis.
        keys: The shard's.
    """

    client: Client
    keys: Keys

    def ends(self, queues: Iterable[str], places: dict[str, str], *, since_ms: int, limit: int) -> EndsRead:
        """Return the ends other than success that came since the last call.

        Args:
            queues: Of these.
            places: By queue where the last call stopped; it is moved on.
            since_ms: Where a queue has no place, from then on.
            limit: At most so many calls' ends of a queue.
        """
        names = list(queues)
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            for name in names:
                pipeline.xrange(self.keys.at("ended", name, "f"), places.get(name, str(since_ms)), "+", limit)
            answers = pipeline.execute() if names else []
        read = EndsRead()
        for name, rows in zip(names, answers, strict=True):
            for entry_id, values in rows:
                ms = int(entry_id.partition(b"-")[0])
                read.ends += [(ms, id_) for id_ in values[b"i"].decode().split("\0")]
            if rows:
                places[name] = "(" + rows[-1][0].decode()
            read.complete = read.complete and len(rows) < limit
        return read

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that there are and that can be decoded."""
        if not ids:
            return {}
        with store_errors():
            raws = self.client.mget([self.keys.record(id_) for id_ in ids])
        return {id_: record for id_, raw in zip(ids, raws, strict=True) if (record := _unpack(raw)) is not None}

    def dead_since(self, since_ms: int, *, limit: int) -> dict[str, int]:
        """Return when dead letters were given up (ms) by id, the newest ``limit`` since then."""
        with store_errors():
            rows = self.client.zrange(
                self.keys.at("dead"),
                "+inf",
                since_ms,
                desc=True,
                byscore=True,
                offset=0,
                num=limit,
                withscores=True,
            )
        return {id_.decode(): int(at) for id_, at in rows}

    def in_hand(self) -> list[str]:
        """Return the ids of what worker processes have in hand."""
        with store_errors():
            workers = self.client.zrange(self.keys.at("workers"), 0, -1)
            pipeline = self.client.pipeline(transaction=False)
            for worker in workers:
                pipeline.hkeys(self.keys.at("held", worker.decode()))
            return [id_.decode() for held in (pipeline.execute() if workers else ()) for id_ in held]

    def claiming(self, now_ms: int) -> int:
        """Return how many worker processes have a lease and aren't paused."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.zrangebyscore(self.keys.at("workers"), now_ms, "+inf")
            pipeline.smembers(self.keys.at("paused"))
            workers, paused = pipeline.execute()
        return sum(b"worker:" + worker not in paused for worker in workers)

    def lost_workers(self, since_ms: int) -> list[str]:
        """Return the worker processes that died since then."""
        with store_errors():
            found = self.client.zrangebyscore(self.keys.at("lost"), since_ms, "+inf")
        return [worker.decode() for worker in found]

    def overdue(self, before_ms: int, *, limit: int = 1000) -> dict[str, int]:
        """Return the first due time (ms) of helpers that are due, the most overdue first."""
        with store_errors():
            rows = self.client.zrangebyscore(
                self.keys.at("plan"), "-inf", before_ms, start=0, num=limit, withscores=True
            )
        return {helper.decode(): int(due) for helper, due in rows}

    def complete_since_ms(self) -> int:
        """Return since when the history is complete, if memory ran short; else 0."""
        with store_errors():
            return int(self.client.hget(self.keys.at("history"), "complete_since_ms") or 0)

    def last_successes(self, helpers: Sequence[str]) -> dict[str, int]:
        """Return when each helper's newest success ended (ms); those that have none are left out."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            for helper in helpers:
                pipeline.lindex(self.keys.at("of", helper, "s"), 0)
            found = pipeline.execute() if helpers else []
        newest = {helper: id_.decode() for helper, id_ in zip(helpers, found, strict=True) if id_}
        records = self.records(list(newest.values()))
        return {helper: records[id_].finished_ms for helper, id_ in newest.items() if id_ in records}


def _unpack(raw: bytes | None) -> Record | None:
    try:
        return unpack_record(raw) if isinstance(raw, bytes) else None
    except CorruptRecord:  # claim sets it aside, and says so
        return None


__all__ = ["EndsRead", "Watching"]
