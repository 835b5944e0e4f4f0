"""What waits under limits: which executions, what each waits for, and its place; worked out when asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.model.limit_key import show_key
from helperhub.model.limits import Rate
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys
from helperhub.store.record import Record

_CHUNK = 500
#: Of a helper's keys so many are looked at for a place in line.
_MOST_KEYS = 1000
_HELPER = "helper:"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits under limits in one shard."""

    client: Client
    keys: Keys

    def ids(self, queue: str) -> Iterator[str]:
        """Yield the ids that wait in a queue under limits of their helpers."""
        with store_errors():
            fields = [raw.decode() for raw in self.client.hkeys(self.keys.at("rules"))]
        for helper in (field.removeprefix(_HELPER) for field in fields if field.startswith(_HELPER)):
            with store_errors():
                waits = self.client.hexists(self.keys.at("waits", helper), queue)
            keys = self._keys_of(queue, helper) if waits else iter(())
            while chunk := list(islice(keys, _CHUNK)):
                with store_errors():
                    pipeline = self.client.pipeline(transaction=False)
                    for key in chunk:
                        pipeline.zrange(self.keys.at("limited", queue, helper, key), 0, -1)
                    found = pipeline.execute()
                yield from (raw.decode() for ids in found for raw in ids)

    def waits_for(self, execution_id: str, record: Record) -> dict[str, Any] | None:
        """Return the limit that a queued execution waits for, and its place; None if none holds it back.

        ``limit`` names it; ``bound`` and ``running`` say how many may be in hand and are, or ``rate`` and
        ``until`` when the next may start; ``place`` is 1 for the first in line.
        """
        helper, queue, key = record.helper.partition("/")[0], record.queue, record.key
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.zscore(self.keys.at("limited", queue, helper, key), execution_id)
            pipeline.zscore(self.keys.at("ready", queue), execution_id)
            pipeline.zscore(self.keys.at("suspects", queue), execution_id)
            pipeline.hmget(self.keys.at("rules"), [_HELPER + helper, f"queue:{queue}", "all"])
            *scores, rules = pipeline.execute()
        score = next((score for score in scores if score is not None), None)
        if score is None:
            return None
        of_helper, of_queue, of_all = (raw.decode() if raw else "" for raw in rules)
        found = (self._of_helper(helper, key, of_helper) if of_helper else None) or self._of_queue(
            queue, int(of_queue.partition(" ")[0] or 0), int(of_all or 0)
        )
        if found is None:
            return None
        own = found.pop("own")
        with store_errors():
            return {**found, "place": self._place(execution_id, record, score, own=own)}

    def _of_helper(self, helper: str, key: str, rule: str) -> dict[str, Any] | None:
        most, of_key, starts, window, starts_of_key, window_of_key, paused = map(int, rule.split())
        named = f"key {show_key(key)} of helper {helper}"
        if paused:
            return {"limit": f"pause of helper {helper}", "own": "helper"}
        with store_errors():
            running = int(self.client.hlen(self.keys.at("using", helper)))
            running_of_key = int(self.client.hget(self.keys.at("perkey", helper), key) or 0)
        if 0 < most <= running:
            return {"limit": f"helper {helper}", "bound": most, "running": running, "own": "helper"}
        if key and 0 < of_key <= running_of_key:
            return {"limit": named, "bound": of_key, "running": running_of_key, "own": "key"}
        found = self._of_rate(f"rate of helper {helper}", starts, window, helper, own="helper")
        if found is None and key:
            found = self._of_rate(f"rate of {named}", starts_of_key, window_of_key, helper, key, own="key")
        return found

    def _of_rate(self, limit: str, starts: int, window_ms: int, *of: str, own: str) -> dict[str, Any] | None:
        if not starts:
            return None
        with store_errors():
            first = self.client.lindex(self.keys.at("starts", *of), starts - 1)
            seconds, micros = self.client.time()
        until_ms = int(first or 0) + window_ms
        if until_ms <= seconds * 1000 + micros // 1000:
            return None
        rate = str(Rate(starts, timedelta(milliseconds=window_ms)))
        return {"limit": limit, "rate": rate, "until": to_rfc3339(from_ms(until_ms)), "own": own}

    def _of_queue(self, queue: str, most: int, most_of_all: int) -> dict[str, Any] | None:
        with store_errors():
            running = int(self.client.hget(self.keys.at("perqueue"), queue) or 0)
            running_of_all = int(self.client.hlen(self.keys.at("inhand")))
        if 0 < most <= running:
            return {"limit": f"queue {queue}", "bound": most, "running": running, "own": "queue"}
        if 0 < most_of_all <= running_of_all:
            return {"limit": "the hub", "bound": most_of_all, "running": running_of_all, "own": "queue"}
        return None

    def _place(self, execution_id: str, record: Record, score: float, *, own: str) -> int:
        """Return the place in line: of its key, of its helper, or of its queue."""
        helper, queue, key = record.helper.partition("/")[0], record.queue, record.key
        before = f"({score}"
        line = self.keys.at("limited", queue, helper, key)
        rank = self.client.zrank(line, execution_id)
        ahead = int(self.client.zcount(line, "-inf", before) if rank is None else rank)
        if own != "key":
            others = [other for other in islice(self._keys_of(queue, helper), _MOST_KEYS) if other != key]
            pipeline = self.client.pipeline(transaction=False)
            for other in others:
                pipeline.zcount(self.keys.at("limited", queue, helper, other), "-inf", before)
            # What was queued before the limit may still stand among the others.
            pipeline.zcount(self.keys.at("ready", queue), "-inf", before)
            *counts, in_ready = pipeline.execute()
            ahead += sum(counts) + (in_ready if own == "queue" else 0)
        return ahead + 1

    def _keys_of(self, queue: str, helper: str) -> Iterator[str]:
        start = 0
        while True:
            with store_errors():
                found = self.client.zrange(self.keys.at("keys", queue, helper), start, start + _CHUNK - 1)
            yield from (raw.decode() for raw in found)
            if len(found) < _CHUNK:
                break
            start += _CHUNK
        cursor = 0
        while True:
            with store_errors():
                cursor, some = self.client.sscan(self.keys.at("blocked", queue, helper), cursor, count=_CHUNK)
            yield from (raw.decode() for raw in some)
            if cursor == 0:
                return
