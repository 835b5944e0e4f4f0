"""Reads a hub's state while it works, so that nothing is missing that was there when the reading began.

The executions' records are what counts; indexes of what waits, runs and ended follow from them. What is read is the
hub as it was at one moment, ``began_ms``, as far as that matters:

1. Everything but the records is read first, then the records, by SCAN, which returns every key that is there from its
   beginning to its end. A record stays at least until its result's lifetime ends, so all are found.
2. Whatever ended after ``began_ms`` is taken for open: what its end has led to may have come after the reading was
   past it, so it is run again, and leads to it again, under the same ids.
3. A due time leaves the plan when its record is made: read in this order it is in one of both, or in both; then the
   record wins.
4. Of a dead letter and its replay one is taken, never both and never neither.

See docs/decisions/0028.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from helperhub.errors import CorruptRecord, StoreUnavailable
from helperhub.model.execution import Trigger
from helperhub.store.backup_rows import ENDED, LEFT_OUT, OPEN, OWN_WAY, Head, Row, chunked, read_head, renew_format
from helperhub.store.connection import Client, on_node, store_errors
from helperhub.store.key_values import read_values
from helperhub.store.keys import Keys
from helperhub.store.record import unpack_record

_PAGE = 1000
_HELPERS = 100
#: How often the plan is read anew because somebody changed the catalogue meanwhile.
_TRIES = 20
_REPLAYED = re.compile(r" \(replayed as (.+)\)$")
#: Ends that lead to nothing but a callback: they stay what they are.
_LEADS_ON = frozenset("se")


@dataclass
class _Executions:
    """What has been read of a shard's executions, and the sets that name some of them."""

    dead: dict[bytes, float]
    untold: set[bytes]
    uncalled: set[bytes]
    cancel: set[bytes]
    seen: set[bytes] = field(default_factory=set)
    kept_dead: dict[bytes, float] = field(default_factory=dict)
    kept_uncalled: set[bytes] = field(default_factory=set)
    kept_cancel: set[bytes] = field(default_factory=set)
    #: Dead letters that were replayed while this reading went on, and as what.
    replayed: dict[bytes, bytes] = field(default_factory=dict)
    #: Replays that were made meanwhile: id, record, and what they replay.
    replays: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)


class ShardReading:
    """One reading of one shard."""

    def __init__(self, client: Client, keys: Keys, began_ms: int) -> None:
        """Read the shard as it was at ``began_ms``, by its own clock, which is past that."""
        self._node: Any = on_node(client, keys.prefix, lambda node: node)
        self._keys = keys
        self._began_ms = began_ms
        self._start = len(keys.prefix) + 1
        self._found = _Executions({}, set(), set(), set())

    def state(self) -> Iterator[Row]:
        """Yield everything but the executions; then read these with `executions`.

        Raises:
            StoreError: Redis can't be asked.
        """
        with store_errors():
            names = list(dict.fromkeys(name for name in self._scan("*") if not name.startswith(b"x:")))
            kinds = {name: name.partition(b":")[0].decode(errors="replace") for name in names}
            self._found = _Executions(
                dead=dict(self._node.zrange(self._keys.at("dead"), 0, -1, withscores=True)),
                untold=self._node.smembers(self._keys.at("untold")),
                uncalled=self._node.smembers(self._keys.at("uncalled")),
                cancel=self._node.smembers(self._keys.at("cancel")),
            )
            copied = [name for name, kind in kinds.items() if kind not in LEFT_OUT | OWN_WAY]
            yield from read_values(self._node, self._keys, copied)
            yield from self._plan([name for name, kind in kinds.items() if kind in ("plan", "marks")])

    def executions(self) -> Iterator[Row]:
        """Yield the executions, then what names some of them.

        Raises:
            StoreError: Redis can't be asked.
        """
        with store_errors():
            found, cursor = self._found, None
            while cursor != 0:
                cursor, keys = self._node.scan(cursor or 0, match=self._keys.at("x", "*"), count=_PAGE)
                ids = [id_ for id_ in dict.fromkeys(key[self._start + 2 :] for key in keys) if id_ not in found.seen]
                yield from chain.from_iterable(self._judge(id_, raw) for id_, raw in self._records(ids))
            for id_, raw, replays in found.replays:
                if replays not in found.dead or replays in found.replayed:
                    yield self._row(id_, raw)
            missing = [id_ for id_ in found.replayed.values() if id_ not in found.seen]
            yield from (self._row(id_, raw) for id_, raw in self._records(missing))
        yield from self._named()

    def _named(self) -> Iterator[Row]:
        found, shard = self._found, self._keys.shard
        yield from chunked(shard, "zset", b"dead", 0, [[id_, score] for id_, score in found.kept_dead.items()])
        for name, ids in (
            (b"untold", found.untold & found.kept_dead.keys()),
            (b"uncalled", found.kept_uncalled),
            (b"cancel", found.kept_cancel),
        ):
            yield from chunked(shard, "set", name, 0, sorted(ids))

    def _scan(self, pattern: str) -> Iterator[bytes]:
        for key in self._node.scan_iter(match=self._keys.at(pattern), count=_PAGE):
            yield key[self._start :]

    def _records(self, ids: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the records of these executions that are there, in the present format."""
        if not ids:
            return []
        self._found.seen.update(ids)
        prefix = self._keys.at("x", "").encode()
        raws = self._node.mget([prefix + id_ for id_ in ids])
        return [(id_, renew_format(raw)) for id_, raw in zip(ids, raws, strict=True) if raw is not None]

    def _judge(self, id_: bytes, raw: bytes) -> Iterator[Row]:
        found = self._found
        try:
            head = read_head(raw)
        except CorruptRecord:
            if id_ in found.dead:
                found.kept_dead[id_] = found.dead[id_]
            yield Row(self._keys.shard, ENDED, id_, 0, 0, [raw])
            return
        if head.enqueued_ms > self._began_ms:
            record = unpack_record(raw)
            if record.trigger == Trigger.REPLAY and record.replay_of:
                found.replays.append((id_, raw, record.replay_of.encode()))
                return
        yield self._row(id_, raw, head)

    def _row(self, id_: bytes, raw: bytes, head: Head | None = None) -> Row:
        found, head = self._found, head or read_head(raw)
        since = head.finished_ms > self._began_ms
        if head.finished_ms == 0 or (since and head.status in _LEADS_ON):
            if id_ in found.cancel:
                found.kept_cancel.add(id_)
            return Row(self._keys.shard, OPEN, id_, 0, 0, [raw])
        if id_ in found.uncalled or (since and unpack_record(raw).called):
            found.kept_uncalled.add(id_)
        if id_ in found.dead:
            again = _REPLAYED.search(unpack_record(raw).reason) if b" (replayed as " in raw else None
            if again:
                found.replayed[id_] = again[1].encode()
            else:
                found.kept_dead[id_] = found.dead[id_]
        return Row(self._keys.shard, ENDED, id_, 0, 0, [raw])

    def _plan(self, names: Sequence[bytes]) -> Iterator[Row]:
        """Yield catalogue and plan as they were between two changes of the catalogue."""
        extra = {name.partition(b":")[2] for name in names if b":" in name}
        for _ in range(_TRIES):
            revision = self._node.get(self._keys.at("rev"))
            rows = self._read_plan(extra)
            if self._node.get(self._keys.at("rev")) == revision:
                if revision is not None:
                    yield Row(self._keys.shard, "string", b"rev", 0, 0, [revision])
                yield from rows
                return
        message = "Somebody changes helpers all the time: the plan can't be read in one piece."
        raise StoreUnavailable(message, hint="Try again.")

    def _read_plan(self, extra: set[bytes]) -> list[Row]:
        keys, shard = self._keys, self._keys.shard
        catalogue, overrides, planned = (
            self._node.hgetall(keys.at(name)) for name in ("catalogue", "overrides", "planned")
        )
        helpers, rows, states = sorted({*planned, *extra}), list[Row](), {}
        for start in range(0, len(helpers), _HELPERS):
            some = helpers[start : start + _HELPERS]
            # A helper's due times and how far it is planned belong together.
            pipeline = self._node.pipeline(transaction=True)
            for helper in some:
                pipeline.zrange(keys.at("plan", "").encode() + helper, 0, -1, withscores=True)
                pipeline.hgetall(keys.at("marks", "").encode() + helper)
                pipeline.hget(keys.at("planned"), helper)
            answers = pipeline.execute()
            for helper, slots, marks, state in zip(some, answers[::3], answers[1::3], answers[2::3], strict=True):
                rows += chunked(shard, "zset", b"plan:" + helper, 0, [list(slot) for slot in slots])
                rows += chunked(shard, "hash", b"marks:" + helper, 0, [list(pair) for pair in marks.items()])
                if state is not None:
                    states[helper] = state
        for name, pairs in ((b"catalogue", catalogue), (b"overrides", overrides), (b"planned", states)):
            rows += chunked(shard, "hash", name, 0, [list(pair) for pair in pairs.items()])
        return rows


def read_hub(readings: Sequence[ShardReading]) -> Iterator[Row]:
    """Yield a whole hub: everything but executions of all shards first, for what one shard's work leads to in another.

    Raises:
        StoreError: Redis can't be asked.
    """
    for reading in readings:
        yield from reading.state()
    for reading in readings:
        yield from reading.executions()
