"""Looks for what must not be in Redis: keys outside the table of `store.keys`, and ids that nothing leads to."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from helperhub.errors import CorruptRecord
from helperhub.store import keys as keys_module
from helperhub.store.connection import Client
from helperhub.store.keys import Keys
from helperhub.store.record import Record, unpack_record
from helperhub.testing.limit_strays import find_limit_strays

_ROW = re.compile(r"^\| (P:\S+)\s*\| (\w+)\s*\|", re.MULTILINE)
_OPEN = frozenset("qrw")


def find_strays(client: Client, keys: Keys) -> list[str]:
    """Return what is wrong in a hub's keys, one line each; an empty list is as it should be.

    Every key is of a kind that `store.keys` lists and of its type. An execution that isn't final
    stands in exactly one place: ready, suspects, limited, delayed, parked or in hand; a final one stands in
    none of them, and is in the history or among the dead letters. No index names a record that isn't there.
    What belongs to a worker process goes with it. The counters say how many executions are open.

    Nothing may be at work on the hub meanwhile.

    Args:
        client: Redis.
        keys: The hub's shard.
    """
    return sorted(_Keyspace(client, keys).strays())


@dataclass
class _Keyspace:
    client: Client
    keys: Keys
    types: dict[str, str] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def strays(self) -> list[str]:
        start = len(self.keys.prefix) + 1
        for raw in self.client.scan_iter(match=f"{self.keys.prefix}:*", count=1000):
            self.types[raw.decode()[start:]] = self.client.type(raw).decode()
        self._check_kinds()
        self._read_records()
        self._read_places()
        self._check_records()
        self._check_active()
        self._check_unique()
        self._check_workers()
        self._check_plan()
        self._check_counters()
        return self.found + find_limit_strays(self.client, self.keys, self.types, self.records)

    def _at(self, name: str) -> str:
        return f"{self.keys.prefix}:{name}"

    def _named(self, *kinds: str) -> Iterator[tuple[str, str, str]]:
        """Yield name, kind and the rest of each key of these kinds."""
        for name in self.types:
            kind, _, rest = name.partition(":")
            if kind in kinds and rest:
                yield name, kind, rest

    def _check_kinds(self) -> None:
        table = [(_pattern(row[1]), row[2]) for row in _ROW.finditer(keys_module.__doc__ or "")]
        for name, kind in self.types.items():
            if not any(pattern.fullmatch(name) and expected == kind for pattern, expected in table):
                self.found.append(f"{name}: a {kind} that the table of keys doesn't have")
        for name, kind, _ in self._named(
            "bell", "progress", "group", "log", "idempotency", "undo", "undorows", "apart", "views"
        ):
            if self.client.pttl(self._at(name)) < 0:
                self.found.append(f"{name}: a {kind} without a lifetime")

    def _read_records(self) -> None:
        for name, _, execution_id in self._named("x"):
            try:
                self.records[execution_id] = unpack_record(self.client.get(self._at(name)))
            except CorruptRecord as error:
                self.found.append(f"{name}: {error}")

    def _read_places(self) -> None:
        for name, kind, _ in self._named("ready", "suspects", "limited", "parked", "delayed", "held", "ended", "of"):
            for execution_id in self._ids(name, kind):
                self.places.setdefault(execution_id, []).append(name)
        for execution_id in self.client.zrange(self._at("dead"), 0, -1):
            self.places.setdefault(execution_id.decode(), []).append("dead:")

    def _ids(self, name: str, kind: str) -> list[str]:
        key = self._at(name)
        if kind == "held":
            return [raw.decode() for raw in self.client.hkeys(key)]
        if kind == "ended":
            return [id_ for _, values in self.client.xrange(key) for id_ in values[b"i"].decode().split("\0")]
        if kind == "of":
            return [raw.decode() for raw in self.client.lrange(key, 0, -1)]
        ids = [raw.decode() for raw in self.client.zrange(key, 0, -1)]
        return [text[1:] for text in ids] if kind == "delayed" else ids

    def _check_records(self) -> None:
        for execution_id in self.places.keys() - self.records.keys():
            self.found.append(f"{execution_id}: in {self.places[execution_id]} without a record")
        for execution_id, record in self.records.items():
            names = sorted(self.places.get(execution_id, []))
            kinds = sorted({name.partition(":")[0] for name in names})
            waits = {"ready", "suspects", "limited", "delayed", "parked"} & set(kinds)
            if record.status == "q":
                right = len(names) == len(waits) == 1
            elif record.status == "r":
                right = kinds == ["held"] and len(names) == 1
            else:
                indexes = {"ended", "dead"} & set(kinds)
                right = bool(indexes) and kinds.count("of") == 1 and len(names) == len(indexes) + 1
            if not right:
                self.found.append(f"{execution_id}: status {record.status} stands in {names}")

    def _check_active(self) -> None:
        for name, _, helper in self._named("active"):
            for raw in self.client.smembers(self._at(name)):
                record = self.records.get(raw.decode())
                if record is None or record.status not in _OPEN or record.helper != helper:
                    self.found.append(f"{raw.decode()}: counts as active, and isn't")
        for raw in self.client.smembers(self._at("cancel")):
            record = self.records.get(raw.decode())
            if record is None or record.status != "r":
                self.found.append(f"{raw.decode()}: is to be cancelled, and doesn't run")

    def _check_unique(self) -> None:
        for name, _, _ in self._named("unique"):
            if self.types[name] != "string":
                continue
            execution_id = (self.client.get(self._at(name)) or b"").decode()
            record = self.records.get(execution_id)
            digest = hashlib.sha1(record.unique.encode(), usedforsecurity=False).hexdigest() if record else ""
            if self.client.pttl(self._at(name)) > 0:
                continue
            if record is None or record.status not in _OPEN or name != f"unique:{record.helper}:{digest}":
                self.found.append(f"{name}: held by {execution_id}, which hasn't that key or is over")

    def _check_workers(self) -> None:
        known = {raw.decode() for raw in self.client.zrange(self._at("workers"), 0, -1)}
        for name, kind, worker in self._named("worker", "held", "bell"):
            if worker not in known and kind != "bell":
                self.found.append(f"{name}: of a worker process that isn't registered")
        for name, _, _ in self._named("idle"):
            for raw in self.client.zrange(self._at(name), 0, -1):
                if raw.decode() not in known:
                    self.found.append(f"{name}: {raw.decode()} isn't registered")

    def _check_plan(self) -> None:
        plan = {raw.decode(): due for raw, due in self.client.zrange(self._at("plan"), 0, -1, withscores=True)}
        heads = {
            helper: self.client.zrange(self._at(name), 0, 0, withscores=True)[0][1]
            for name, _, helper in self._named("plan")
        }
        if plan != heads:
            self.found.append(f"plan: {plan} are the next due times, {heads} are planned")

    def _check_counters(self) -> None:
        opened = Counter(record.queue for record in self.records.values() if record.status in _OPEN)
        for name, _, queue in self._named("count"):
            enqueued, ended = self.client.hmget(self._at(name), ["enqueued", "ended"])
            counted = int(enqueued or 0) - int(ended or 0)
            if counted != opened[queue]:
                self.found.append(f"{name}: says {counted} are open, {opened[queue]} are")


def _pattern(kind: str) -> re.Pattern[str]:
    """Return what the keys of one row of the table look like, without the prefix."""
    # Only a limit's key may be empty.
    parts = re.split(r"(<\w+>)", kind.removeprefix("P:"))
    wild = {"<key>": ".*"}
    return re.compile("".join(wild.get(p, ".+") if p[:1] == "<" else re.escape(p) for p in parts), re.DOTALL)


__all__ = ["find_strays"]
