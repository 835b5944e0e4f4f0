"""Outcomes in the order of their recording, of one shard: from a place in the history on, and as they come.

Each queue has two streams, and one call may write to several of them. An entry's id begins with the
server's clock, ms; a millisecond that is over gets no more entries. So what is read is cut at the
server's present millisecond, and is complete up to there and in an order that every later reading
finds again: that makes a place in it something to resume from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import redis

from helperhub.errors import UsageError
from helperhub.store.connection import Client, build_connection, find_servers_anew, on_node, store_errors
from helperhub.store.keys import Keys

#: One blocking read lasts so long, ms: a queue that is used for the first time is seen after it.
BLOCK_MS = 500
_COUNT = 200
#: An entry's id, and the ids in it.
_Entry = tuple[tuple[int, int], list[str]]
_MOST = 20_000
#: As `Place.__str__` writes it; numbers that Redis's 64 bits and a calendar hold.
_PLACE = re.compile(r"([0-9]{1,14})(?:\.([0-9]{1,20})\.(-?[0-9]{1,6})\.(.{1,2000}))?")


class Place(NamedTuple):
    """A place in a shard's outcomes: behind those at or before it.

    Args:
        ms: The entry's ms; with nothing else, all before this ms.
        stream: ``<queue>:<kind>``.
        number: The second part of the entry's id.
        rank: The place in the entry, which may have many ids.
    """

    ms: int
    stream: str = ""
    number: int = 0
    rank: int = -1

    def __str__(self) -> str:
        """Return it as one word."""
        if not self.stream:
            return str(self.ms)
        return f"{self.ms}.{self.number}.{self.rank}.{quote(self.stream, safe='')}"


def read_place(text: str) -> Place:
    """Return the place that a text names.

    Raises:
        UsageError: It names none.
    """
    found = _PLACE.fullmatch(text)
    if found is None:
        message = f"'{text[:80]}' is no place among the events."
        raise UsageError(message, hint="Send the id of the last event as it stands.")
    ms, number, rank, stream = found.groups()
    return Place(int(ms)) if stream is None else Place(int(ms), unquote(stream), int(number), int(rank))


@dataclass(frozen=True, slots=True)
class Ended:
    """An execution that came to its end, and where that is recorded."""

    place: Place
    id: str


class Tail:
    """The end of a shard's history. Only one thread may wait; any may read."""

    def __init__(self, client: Client, keys: Keys, kinds: str = "sf") -> None:
        """Read the shard with these keys; nothing connects yet.

        Args:
            client: Redis.
            keys: The shard's.
            kinds: ``s`` for successes, ``f`` for all other ends.
        """
        self.client = client
        self.keys = keys
        self._kinds = kinds
        self._names: frozenset[str] = frozenset()
        self._listening: Any = None
        self._asked = False

    def now(self) -> Place:
        """Return the place behind all that has ended by now."""
        with store_errors():
            seconds, micros = on_node(self.client, self.keys.prefix, lambda node: node.time())
        return Place(seconds * 1000 + micros // 1000)

    def read(self, since: Place, until: Place | None = None) -> tuple[list[Ended], Place]:
        """Return what ended after ``since`` and up to ``until``, in order, and the place behind it.

        It may stop before ``until``, and does if there is much: read on from the place that it returns.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        count = _COUNT
        while True:
            now_ms, rows = self._read_streams(since, count)
            # A stream that was read in part says nothing of what is behind its last entry.
            cuts = [entries[-1][0][0] for entries in rows.values() if len(entries) == count]
            ms = min([now_ms, *cuts])
            if ms > since.ms or not cuts or count >= _MOST:
                break
            count *= 10
        place = max(since, Place(ms))
        if until is not None:
            place = min(place, until)
        found = [
            Ended(at, id_)
            for stream, entries in rows.items()
            for (entry_ms, number), ids in entries
            for rank, id_ in enumerate(ids)
            if since < (at := Place(entry_ms, stream, number, rank)) <= place
        ]
        return sorted(found, key=lambda ended: ended.place), place

    def listen(self, since: Place) -> int:
        """Return a file that can be read from once something ends after ``since``, or a while has passed.

        Raises:
            StoreError: Redis is away, or refuses.
        """
        if self._listening is None:
            with store_errors():
                self._listening = build_connection(self.client, self.keys.prefix)
        if not self._asked:
            streams = self._keys_of(self._names) or [self.keys.at("ended", "", self._kinds[0])]
            begin = [_before(since)] * len(streams)
            try:
                with store_errors():
                    self._listening.send_command("XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", *streams, *begin)
            except BaseException:
                self.close()
                raise
            self._asked = True
        return int(self._listening._sock.fileno())  # noqa: SLF001 - redis-py has no public way to wait for two things

    def hear(self) -> None:
        """Take in the answer that `listen` waited for; `read` tells what it is about.

        Raises:
            StoreError: The connection was lost, or Redis refuses.
        """
        self._asked = False
        with store_errors():
            try:
                self._listening.read_response()
            except redis.RedisError:
                self.close()
                find_servers_anew(self.client)
                raise

    def close(self) -> None:
        """Listen no more."""
        connection, self._listening, self._asked = self._listening, None, False
        if connection is not None:
            connection.disconnect()

    def _read_streams(self, since: Place, count: int) -> tuple[int, dict[str, list[_Entry]]]:
        """Return the server's ms, and what is in the streams from ``since.ms`` on: at least all before that ms."""
        while True:
            asked = self._names

            def ask(node: Client, names: frozenset[str] = asked) -> Any:
                pipeline = node.pipeline(transaction=False)
                pipeline.time()
                pipeline.smembers(self.keys.at("queues"))
                if names:
                    pipeline.xread(dict.fromkeys(self._keys_of(names), _before(since)), count=count)
                return pipeline.execute()

            with store_errors():
                (seconds, micros), known, *found = on_node(self.client, self.keys.prefix, ask)
            self._names = frozenset(name.decode() for name in known)
            if self._names == asked:
                break
        start = len(self.keys.at("ended", ""))
        answer = found[0] if found else []
        rows = {key.decode()[start:]: [_entry(*entry) for entry in entries] for key, entries in answer}
        return seconds * 1000 + micros // 1000, rows

    def _keys_of(self, names: Iterable[str]) -> list[str]:
        return [self.keys.at("ended", name, kind) for name in sorted(names) for kind in self._kinds]


def _before(place: Place) -> str:
    """Return the last id that an entry before the place's ms may have."""
    return f"{max(0, place.ms - 1)}-{2**64 - 1}"


def _entry(entry_id: bytes, values: dict[bytes, bytes]) -> _Entry:
    ms, _, number = entry_id.decode().partition("-")
    return (int(ms), int(number)), values[b"i"].decode().split("\0")
