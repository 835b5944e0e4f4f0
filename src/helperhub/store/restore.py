"""Brings a hub's state back from the rows of a backup: what they hold, and the indexes that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from helperhub.errors import CorruptRecord
from helperhub.store.backup_rows import ENDED, OPEN, Row, read_head
from helperhub.store.connection import on_node, store_errors
from helperhub.store.key_values import write_row
from helperhub.store.scripts import Scripts

_COMMANDS = 1000
_EXECUTIONS = 200
#: As `parts/ending.lua` writes the history: so many ids in one entry of a stream, or one call.
_AT_ONCE = 100
#: What a hub has that nothing has been done with yet.
_BARE = frozenset(
    {
        *("clock", "synced", "meta", "shards", "schedulers", "stopped"),
        *("workers", "worker", "held", "idle", "bell", "draining", "lost", "alerts"),
    }
)
_PARKED = b"overlap: waits for "


@dataclass(frozen=True, slots=True)
class Contents:
    """What a hub has.

    Args:
        executions: Records.
        dead_letters: Those of them that are dead letters.
        helpers: In the catalogue.
        keys: All keys but those that every hub has that was ever started.
    """

    executions: int = 0
    dead_letters: int = 0
    helpers: int = 0
    keys: int = 0

    def __add__(self, other: Contents) -> Contents:
        """Return what two shards have together."""
        return Contents(
            self.executions + other.executions,
            self.dead_letters + other.dead_letters,
            self.helpers + other.helpers,
            self.keys + other.keys,
        )


def look_at(part: Scripts) -> Contents:
    """Return what a shard has.

    Raises:
        StoreError: Redis can't be asked.
    """
    with store_errors():
        node, keys = _node(part), part.keys
        kinds = defaultdict[str, int](int)
        start = len(keys.prefix) + 1
        for page in _pages(node, keys.at("*")):
            for key in page:
                kinds[key[start:].partition(b":")[0].decode(errors="replace")] += 1
        content = sum(n for kind, n in kinds.items() if kind not in _BARE)
        return Contents(kinds["x"], node.zcard(keys.at("dead")), node.hlen(keys.at("catalogue")), content)


def delete_all(part: Scripts) -> int:
    """Delete every key of a shard; return how many there were.

    Raises:
        StoreError: Redis refuses.
    """
    with store_errors():
        node = _node(part)
        return sum(int(node.unlink(*page)) for page in _pages(node, part.keys.at("*")) if page)


@dataclass
class ShardRestoring:
    """Restores one shard; nothing may be at work on it.

    Args:
        part: Its scripts.
    """

    part: Scripts
    open: int = 0
    ended: int = 0
    _queued: int = 0
    _waiting: list[tuple[str | bytes, bytes]] = field(default_factory=list)
    _parked: list[tuple[str | bytes, bytes]] = field(default_factory=list)
    _history: dict[tuple[bytes, str], list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    _lists: dict[tuple[bytes, str], list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    _bytes: int = 0
    _heads: dict[bytes, float] = field(default_factory=dict)
    _cancel: list[str] = field(default_factory=list)
    _pipeline: Any = None

    def add(self, row: Row) -> None:
        """Bring back what a row holds, now or soon.

        Raises:
            StoreError: Redis refuses.
        """
        with store_errors():
            if row.kind == OPEN:
                self._add_open(row)
            elif row.kind == ENDED:
                self._add_ended(row)
            elif row.name == b"cancel":
                self._cancel += [id_.decode() for id_ in row.items]
            else:
                if row.key_kind == "plan":
                    helper = row.name.partition(b":")[2]
                    self._heads[helper] = min([self._heads.get(helper, float("inf")), *(due for _, due in row.items)])
                write_row(self._commands(), self.part.keys, row)
                self._step(len(row.items))

    def finish(self) -> None:
        """Bring back what follows from all rows together.

        Raises:
            StoreError: Redis refuses.
        """
        with store_errors():
            self._send()
            self._bring_back(self._waiting)
            # Behind an active one of their helper: those must be there by now.
            for start in range(0, len(self._parked), _EXECUTIONS):
                self._bring_back(self._parked[start : start + _EXECUTIONS])
            self._write_history()
            if self._heads:
                self._commands().zadd(self.part.keys.at("plan"), dict(self._heads))
            self._send()

    def cancel_asked(self) -> None:
        """Cancel what somebody asked to stop while it ran.

        Raises:
            StoreError: Redis refuses.
        """
        for start in range(0, len(self._cancel), _EXECUTIONS):
            self.part.cancel(self._cancel[start : start + _EXECUTIONS], reason="cancelled")

    def _add_open(self, row: Row) -> None:
        self.open += 1
        raw = row.items[0]
        waits = self._parked if _PARKED in raw else self._waiting
        waits.append((row.name, raw))
        if len(self._waiting) >= _EXECUTIONS:
            # Rules of limits and counters are written before: they come first in a backup.
            self._send()
            self._bring_back(self._waiting)
            self._waiting = []

    def _bring_back(self, entries: Sequence[tuple[str | bytes, bytes]]) -> None:
        if entries:
            self.part.restore(entries)

    def _add_ended(self, row: Row) -> None:
        self.ended += 1
        raw = row.items[0]
        self._commands().set(self.part.keys.at("x", "").encode() + row.name, raw)
        self._step(1)
        try:
            head = read_head(raw)
        except CorruptRecord:
            return  # set aside long ago, among the dead letters
        kind = "s" if head.status == "s" else "f"
        self._history[head.queue, kind].append((head.finished_ms, row.name))
        self._lists[head.helper, kind].append((head.finished_ms, row.name))
        self._bytes += len(raw)

    def _write_history(self) -> None:
        keys = self.part.keys
        for (queue, kind), ended in self._history.items():
            ended.sort()
            key = keys.at("ended", "").encode() + queue + f":{kind}".encode()
            for entry_id, ids in _entries(ended):
                self._commands().xadd(key, {"i": b"\0".join(ids)}, id=entry_id)
                self._step(1)
        for (helper, kind), ended in self._lists.items():
            ended.sort()
            key = keys.at("of", "").encode() + helper + f":{kind}".encode()
            for start in range(0, len(ended), _AT_ONCE):
                self._commands().lpush(key, *(id_ for _, id_ in ended[start : start + _AT_ONCE]))
                self._step(1)
        if self._bytes:
            self._commands().hset(keys.at("history"), "bytes", self._bytes)

    def _commands(self) -> Any:
        if self._pipeline is None:
            self._pipeline = _node(self.part).pipeline(transaction=False)
        return self._pipeline

    def _step(self, size: int) -> None:
        self._queued += size
        if self._queued >= _COMMANDS:
            self._send()

    def _send(self) -> None:
        if self._pipeline is not None:
            self._pipeline.execute()
            self._queued = 0


def _entries(ended: Sequence[tuple[int, bytes]]) -> Iterator[tuple[str, list[bytes]]]:
    """Yield id and content of the entries of a stream of the history, of those that ended in one ms together."""
    at, ids, number = -1, list[bytes](), 0
    for ms, id_ in ended:
        if ids and (ms != at or len(ids) == _AT_ONCE):
            yield f"{at}-{number}", ids
            number, ids = (number + 1 if ms == at else 1), []
        if ms != at:
            # 0-0 is no id of an entry.
            at, number = ms, 1
        ids.append(id_)
    if ids:
        yield f"{at}-{number}", ids


def _node(part: Scripts) -> Any:
    return on_node(part.client, part.keys.prefix, lambda node: node)


def _pages(node: Any, pattern: str) -> Iterator[list[bytes]]:
    cursor = None
    while cursor != 0:
        cursor, page = node.scan(cursor or 0, match=pattern, count=_COMMANDS)
        yield page
