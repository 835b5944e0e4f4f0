"""Outcomes as they are recorded: one thread of the process reads them for all who listen."""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from helperhub.errors import Conflict, StoreError
from helperhub.model.duration import to_ms
from helperhub.model.execution import Execution, Status
from helperhub.model.instant import epoch_ms
from helperhub.store.executions import Executions
from helperhub.store.tail import Ended, Place, Tail, read_place

_log = logging.getLogger("helperhub.live")
#: Who was away for longer begins anew: what he missed is in the history.
RESUMABLE = timedelta(hours=1)
#: After a failure Redis is asked again after so long, seconds.
_PAUSE_S = 1.0
#: A millisecond isn't over yet: looked at again after so long, seconds.
_TICK_S = 0.001
#: A blocking read that isn't answered by then: all are read anew, which shows whether Redis is there.
_LOST_MS = 2000
Places = tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One execution's end.

    Args:
        id: Where it stands among all, see `Live.parse`.
        helper: ``helper[/instance]``.
        queue: Its queue.
        status: How it ended.
        document: The execution's.
        short: The same as JSON, without what it was given.
    """

    id: str
    helper: str
    queue: str
    status: Status
    document: dict[str, Any]
    short: bytes

    def write(self, *, payload: bool) -> bytes:
        """Return its document as JSON, with or without what it was given."""
        return _dump(self.document) if payload else self.short


#: What came, and the place behind it.
Deliver = Callable[[Sequence[Outcome], Places], None]
Load = Callable[[int, Sequence[Ended], Sequence[Place]], list[Outcome]]


class Live:
    """The outcomes of a hub's shards."""

    def __init__(self, tails: Sequence[Tail], records: Executions) -> None:
        """Read the ends of these shards, and what ended from ``records``."""
        self._tails = tails
        self._records = records

    def now(self) -> Places:
        """Return the place behind all that has ended by now.

        Raises:
            StoreError: Redis is away.
        """
        return tuple(tail.now() for tail in self._tails)

    def parse(self, text: str) -> Places:
        """Return the place behind the event with this id.

        Raises:
            UsageError: It is no event's id.
            Conflict: It is of a hub with another number of shards.
        """
        places = tuple(read_place(word) for word in text.split(","))
        if len(places) != len(self._tails):
            message = f"'{text[:80]}' is of a hub with {len(places)} shards; this one has {len(self._tails)}."
            raise Conflict(message, hint="Begin without the id of an event.")
        return places

    def is_complete_since(self, places: Places, now: Places) -> bool:
        """Return whether all that ended since is still there to be read."""
        since = self._records.complete_since()
        oldest = max(now_of.ms - to_ms(RESUMABLE) for now_of in now)
        return min(place.ms for place in places) >= max(oldest, epoch_ms(since) if since else 0)

    def between(self, since: Places, until: Places) -> Iterator[list[Outcome]]:
        """Yield what ended after one place and up to the other, in parts, shard by shard.

        Raises:
            StoreError: Redis is away.
        """
        at = list(since)
        for shard, tail in enumerate(self._tails):
            while at[shard] < until[shard]:
                ended, place = tail.read(at[shard], until[shard])
                yield self._load(shard, ended, at)
                at[shard] = place
                if place < until[shard]:
                    time.sleep(_TICK_S)

    def start(self, deliver: Deliver, since: Places) -> Feed:
        """Deliver what ends from ``since`` on, in a thread of its own, until the feed is stopped."""
        # Tails of its own: a feed that is stopping may still read from its.
        feed = Feed([Tail(tail.client, tail.keys) for tail in self._tails], self._load, deliver, since)
        feed.start()
        return feed

    def _load(self, shard: int, ended: Sequence[Ended], at: Sequence[Place]) -> list[Outcome]:
        """Return what ended with what is known of it; ``at`` are the places in the other shards."""
        known: dict[str, Execution] = {one.id: one for one in self._records.get_many([each.id for each in ended])}
        found = []
        for one in ended:
            execution = known.get(one.id)
            if execution is None:  # somebody deleted it meanwhile
                continue
            places = (*at[:shard], one.place, *at[shard + 1 :])
            document = execution.to_document()
            # Written once for all who listen.
            short = _dump({**document, "payload": None})
            id_, helper, queue = write_places(places), execution.helper, execution.queue
            found.append(Outcome(id_, helper, queue, execution.status, document, short))
        return found


class Feed:
    """A thread that reads what ends and delivers it."""

    def __init__(self, tails: Sequence[Tail], load: Load, deliver: Deliver, since: Places) -> None:
        """Begin at ``since`` once it is started.

        Args:
            tails: The ends of the shards, for nobody else.
            load: Returns what is known of what ended in a shard.
            deliver: Called in the thread.
            since: Where it begins.
        """
        self._tails = tails
        self._load = load
        self._deliver = deliver
        self._at = list(since)
        self._stopping = threading.Event()
        self._inside, self._outside = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="helperhub-live", daemon=True)

    def start(self) -> None:
        """Let it read."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end, which it does at once or after the answer that it waits for."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._outside.send(b"\0")

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                self._advance()
                self._wait()
            except StoreError as error:
                if not failing:
                    _log.warning("live_delayed", extra={"error": str(error)})
                failing = True
                self._stopping.wait(_PAUSE_S)
            except Exception:  # noqa: BLE001 - whoever listens must not be left in silence for good by one bug
                _log.exception("live_failed")
                self._stopping.wait(_PAUSE_S)
            else:
                failing = False
        for tail in self._tails:
            tail.close()
        self._inside.close()
        self._outside.close()

    def _advance(self) -> None:
        for shard, tail in enumerate(self._tails):
            ended, place = tail.read(self._at[shard])
            found = self._load(shard, ended, self._at)
            self._at[shard] = place
            # With nothing in it, it tells how far all has been read.
            self._deliver(found, tuple(self._at))

    def _wait(self) -> None:
        """Wait until something ends, or a while has passed."""
        poll = select.poll()
        poll.register(self._inside, select.POLLIN)
        listening = {tail.listen(place): tail for tail, place in zip(self._tails, self._at, strict=True)}
        for file in listening:
            poll.register(file, select.POLLIN)
        for file, _ in poll.poll(_LOST_MS):
            if file in listening:
                listening[file].hear()
        # What was just written stands in a millisecond that goes on.
        self._stopping.wait(_TICK_S)


def write_places(places: Places) -> str:
    """Return an event's id: its place, and those in the other shards."""
    return ",".join(map(str, places))


def _dump(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, default=str)
