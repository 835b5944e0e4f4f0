"""Looks for what must not be in Redis where there are limits: slots that leaked, and work that nothing leads to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from helperhub.store.connection import Client
from helperhub.store.keys import Keys
from helperhub.store.record import Record


def find_limit_strays(client: Client, keys: Keys, types: Mapping[str, str], records: Mapping[str, Record]) -> list[str]:
    """Return what is wrong in the keys of limits, one line each.

    What waits under a limit is led to by its key and its helper, or those are used up and something will look at
    them again: a slot that is in use, a rate, or whoever ends the pause. What is in hand has its slots, and nothing
    else has one. The counts are those of what they count.

    Args:
        client: Redis.
        keys: The hub's shard.
        types: Every key of the shard, without the prefix, and its type.
        records: Every execution's record.
    """
    return list(_Limits(client, keys, types, records).strays())


@dataclass
class _Limits:
    client: Client
    keys: Keys
    types: Mapping[str, str]
    records: Mapping[str, Record]
    waiting: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    rules: dict[str, list[int]] = field(default_factory=dict)

    def strays(self) -> Iterator[str]:
        for name in self._named("limited"):
            queue, helper, key = name.rsplit(":", 2)
            self.waiting[queue, helper, key] = self._zset("limited", name)
        for name, text in self._hash("rules").items():
            if name.startswith("helper:"):
                self.rules[name.removeprefix("helper:")] = [int(number) for number in text.split()]
        yield from self._misplaced()
        yield from self._lost_keys()
        yield from self._lost_helpers()
        yield from self._wrong_slots()
        yield from self._wrong_counts()
        for name in self._named("starts"):
            if self.client.pttl(self.keys.at("starts", name)) < 0:
                yield f"starts:{name}: without a lifetime"

    def _misplaced(self) -> Iterator[str]:
        for (queue, helper, key), ids in self.waiting.items():
            for execution_id in ids:
                record = self.records.get(execution_id)
                own = record and (record.queue, record.helper.partition("/")[0], record.key)
                if own != (queue, helper, key):
                    yield f"{execution_id}: waits under limits that aren't its own: {queue}, {helper}, '{key}'"

    def _lost_keys(self) -> Iterator[str]:
        throttled: dict[str, set[str]] = {name: set(self._zset("throttled", name)) for name in self._named("throttled")}
        for queue, helper, key in self.waiting:
            if key in self._zset("keys", f"{queue}:{helper}"):
                continue
            if key not in self._set("blocked", f"{queue}:{helper}"):
                yield f"limited:{queue}:{helper}:{key}: nothing leads to it"
            elif f"{helper}:{key}" not in throttled.get(queue, set()):
                used = int(self._hash("perkey", helper).get(key, "0"))
                if used < max(1, self._rule(helper)[1]):
                    yield f"limited:{queue}:{helper}:{key}: is held back by nothing ({used} in use)"

    def _lost_helpers(self) -> Iterator[str]:
        for name in self._named("keys"):
            queue, helper = name.rsplit(":", 1)
            if helper in self._zset("helpers", queue) or helper in self._zset("throttled", queue):
                continue
            most, paused = self._rule(helper)[0], self._rule(helper)[6]
            used = len(self._hash("using", helper))
            if not paused and used < max(1, most):
                yield f"keys:{name}: is held back by nothing ({used} in use)"
        for queue in self._named("helpers"):
            for helper in self._zset("helpers", queue):
                if not self._zset("keys", f"{queue}:{helper}"):
                    yield f"helpers:{queue}: leads to {helper}, which has nothing there"

    def _wrong_slots(self) -> Iterator[str]:
        running = {id_: record for id_, record in self.records.items() if record.status == "r"}
        for helper in {*self._named("using"), *self.rules}:
            counted = self._rule(helper)[0] or self._rule(helper)[1]
            own = {id_: r.key for id_, r in running.items() if counted and r.helper.partition("/")[0] == helper}
            if (used := self._hash("using", helper)) != own:
                yield f"using:{helper}: {used} have slots, {own} run"
            by_key = {key: str(count) for key, count in Counter(own.values()).items() if key}
            if (counts := self._hash("perkey", helper)) != by_key:
                yield f"perkey:{helper}: says {counts}, there are {by_key}"
        fields = self._hash("rules")
        bound = {name for name, text in fields.items() if name.startswith("queue:") and not text.startswith("0 ")}
        own = {id_: r.queue for id_, r in running.items() if "all" in fields or f"queue:{r.queue}" in bound}
        if (used := self._hash("inhand")) != own:
            yield f"inhand: {used} have slots, {own} run"
        if (counts := self._hash("perqueue")) != {queue: str(n) for queue, n in Counter(own.values()).items()}:
            yield f"perqueue: says {counts}"

    def _wrong_counts(self) -> Iterator[str]:
        by_helper: dict[str, Counter[str]] = {helper: Counter() for helper in self._named("waits")}
        by_queue: Counter[str] = Counter()
        known: set[str] = set()
        for (queue, helper, _), ids in self.waiting.items():
            by_helper.setdefault(helper, Counter())[queue] += len(ids)
            by_queue[queue] += len(ids)
            known |= set(ids)
        for helper, counted in by_helper.items():
            if (said := self._hash("waits", helper)) != {queue: str(n) for queue, n in counted.items()}:
                yield f"waits:{helper}: says {said}, there are {dict(counted)}"
        for queue in self._named("count"):
            said_of_queue = int(self._hash("count", queue).get("limited", "0"))
            if said_of_queue != by_queue[queue]:
                yield f"count:{queue}: says {said_of_queue} are limited, {by_queue[queue]} are"
        for queue in self._named("expiring"):
            yield from (f"{id_}: expires, and waits nowhere" for id_ in set(self._zset("expiring", queue)) - known)

    def _rule(self, helper: str) -> list[int]:
        return self.rules.get(helper, [0] * 7)

    def _named(self, kind: str) -> list[str]:
        return [name.partition(":")[2] for name in self.types if name.startswith(f"{kind}:")]

    def _hash(self, *parts: str) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.client.hgetall(self.keys.at(*parts)).items()}

    def _zset(self, *parts: str) -> list[str]:
        return [raw.decode() for raw in self.client.zrange(self.keys.at(*parts), 0, -1)]

    def _set(self, *parts: str) -> set[str]:
        return {raw.decode() for raw in self.client.smembers(self.keys.at(*parts))}


__all__ = ["find_limit_strays"]
