"""Finished executions from a place on: a next page starts in the stream, list or sorted set, not at its head."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from helperhub.errors import CorruptRecord
from helperhub.model.execution import Execution
from helperhub.model.instant import epoch_ms
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys
from helperhub.store.record import unpack_record

#: When an execution ended, ms, and its id: newest first, what ended in one ms by id.
EndPlace = tuple[int, str]
#: Read at first; an entry of a stream holds up to 100 ids, so that a page seldom needs more.
_FIRST_ENTRIES = 4
_FIRST_IDS = 64
_CHUNK = 500
#: Looked at where a list's record can't be read.
_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """The finished executions and dead letters of one shard.

    Args:
        client: Redis.
        keys: The shard's.
        load: Returns those of these executions that exist, in order.
    """

    client: Client
    keys: Keys
    load: Callable[[Sequence[str]], list[Execution]]

    def ended(
        self,
        queues: Iterable[str],
        kinds: str,
        *,
        before: EndPlace | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[EndPlace]:
        """Yield the places of what ended, newest first; here an end is when it was recorded.

        Args:
            queues: Of these.
            kinds: ``s`` for successes, ``f`` for all other ends.
            before: Only what stands behind this place.
            since: At or after.
            until: At or before.
        """
        low = "-" if since is None else str(max(0, epoch_ms(since)))
        last = None if until is None else max(0, epoch_ms(until))
        keys = [self.keys.at("ended", queue, kind) for queue in queues for kind in kinds]
        return heapq.merge(*(self._stream(key, low, last, before) for key in keys), reverse=True)

    def of_helper(self, helper: str, kinds: str, *, before: EndPlace | None = None) -> Iterator[Execution]:
        """Yield a helper's finished executions, newest first; see `ended`."""
        lists = [self._list(self.keys.at("of", helper, kind), before) for kind in kinds]
        return heapq.merge(*lists, key=end_place, reverse=True)

    def dead(self, *, before: EndPlace | None = None) -> Iterator[EndPlace]:
        """Yield the places of the dead letters, newest first."""
        key = self.keys.at("dead")
        start, size = 0, _FIRST_IDS
        if before is not None:
            with store_errors():
                start = int(self.client.zcount(key, f"({before[0]}", "+inf"))
        while True:
            with store_errors():
                rows = self.client.zrange(key, start, start + size - 1, desc=True, withscores=True)
            for raw, score in rows:
                place = (int(score), raw.decode())
                if before is None or place < before:
                    yield place
            if len(rows) < size:
                return
            start, size = start + size, min(size * 2, _CHUNK)

    def are_dead(self, ids: Sequence[str]) -> list[bool]:
        """Return for each of these executions whether it is a dead letter."""
        if not ids:
            return []
        with store_errors():
            return [score is not None for score in self.client.zmscore(self.keys.at("dead"), list(ids))]

    def _stream(self, key: str, low: str, last: int | None, before: EndPlace | None) -> Iterator[EndPlace]:
        # Those of one ms stand as their calls came by them; by id they stand as in any other list of them.
        for _, same in groupby(self._entered(key, low, last, before), key=lambda place: place[0]):
            yield from (place for place in sorted(same, reverse=True) if before is None or place < before)

    def _entered(self, key: str, low: str, last: int | None, before: EndPlace | None) -> Iterator[EndPlace]:
        """Yield what a stream has, newest ms first, from the ms of ``before`` on."""
        ends = [ms for ms in (last, None if before is None else before[0]) if ms is not None]
        high, size = str(min(ends)) if ends else "+", _FIRST_ENTRIES
        while True:
            with store_errors():
                entries = self.client.xrevrange(key, high, low, count=size)
            for entry_id, values in entries:
                ms = int(entry_id.decode().partition("-")[0])
                yield from ((ms, id_) for id_ in values[b"i"].decode().split("\0"))
            if len(entries) < size:
                return
            high, size = "(" + entries[-1][0].decode(), min(size * 2, _CHUNK)

    def _list(self, key: str, before: EndPlace | None) -> Iterator[Execution]:
        start = 0 if before is None else self._find(key, before[0])
        for _, same in groupby(self._loaded(key, start), key=lambda execution: end_place(execution)[0]):
            # What ended in one ms stands as its call came by it.
            for execution in sorted(same, key=lambda one: one.id, reverse=True):
                if before is None or end_place(execution) < before:
                    yield execution

    def _loaded(self, key: str, start: int) -> Iterator[Execution]:
        size = _FIRST_IDS
        while True:
            with store_errors():
                ids = self.client.lrange(key, start, start + size - 1)
            # One that can't be decoded doesn't say when it ended, so it has no place here.
            yield from (one for one in self.load([id_.decode() for id_ in ids]) if one.finished_at is not None)
            if len(ids) < size:
                return
            start, size = start + size, min(size * 2, _CHUNK)

    def _find(self, key: str, ended_ms: int) -> int:
        """Return where in a list what ended at ``ended_ms`` or before begins, or a place ahead of that.

        The list is in order of time, newest first; it may grow at its head meanwhile.
        """
        with store_errors():
            low, high = 0, int(self.client.llen(key))
        while low < high:
            middle = (low + high) // 2
            found = self._ended_ms(key, middle)
            if found is None or found <= ended_ms:
                high = middle
            else:
                low = middle + 1
        return low

    def _ended_ms(self, key: str, place: int) -> int | None:
        """Return when what stands at a place of a list ended, or the next behind it that can be read; None if none."""
        for first, last in ((place, place), (place + 1, place + _NEIGHBOURS)):
            with store_errors():
                ids = self.client.lrange(key, first, last)
                raws = self.client.mget([self.keys.record(id_.decode()) for id_ in ids]) if ids else []
            for raw in raws:
                with contextlib.suppress(CorruptRecord):
                    if isinstance(raw, bytes) and (ended := unpack_record(raw).finished_ms):
                        return ended
        return None


@dataclass(frozen=True, slots=True)
class ShardedListing(Listing):
    """The finished executions and dead letters of all shards."""

    parts: tuple[Listing, ...] = ()

    def ended(
        self,
        queues: Iterable[str],
        kinds: str,
        *,
        before: EndPlace | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[EndPlace]:
        """Yield the places of what ended, newest first."""
        names = list(queues)
        found = [part.ended(names, kinds, before=before, since=since, until=until) for part in self.parts]
        return heapq.merge(*found, reverse=True)

    def of_helper(self, helper: str, kinds: str, *, before: EndPlace | None = None) -> Iterator[Execution]:
        """Yield a helper's finished executions, newest first."""
        found = [part.of_helper(helper, kinds, before=before) for part in self.parts]
        return heapq.merge(*found, key=end_place, reverse=True)

    def dead(self, *, before: EndPlace | None = None) -> Iterator[EndPlace]:
        """Yield the places of the dead letters, newest first."""
        return heapq.merge(*(part.dead(before=before) for part in self.parts), reverse=True)

    def are_dead(self, ids: Sequence[str]) -> list[bool]:
        """Return for each of these executions whether it is a dead letter."""
        answers = [part.are_dead(ids) for part in self.parts]
        return [any(found) for found in zip(*answers, strict=True)]


def end_place(execution: Execution) -> EndPlace:
    """Return the place of a finished execution among others by its end."""
    return (epoch_ms(execution.finished_at) if execution.finished_at else 0, execution.id)


__all__ = ["EndPlace", "Listing", "ShardedListing", "end_place"]
