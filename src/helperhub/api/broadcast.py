"""What one process's listeners hear: each outcome is read once, and handed to all of them in the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool
from starlette.types import Receive

from helperhub.services.live import Feed, Live, Outcome, Places, write_places

#: So many events may wait for one who is slow; then he is cut off.
MOST_WAITING = 1000


@dataclass(eq=False)
class Listener:
    """One who listens.

    Args:
        wants: Whether he is to hear of an outcome.
        waiting: What he hasn't taken yet.
        heard: The place behind all that he was offered.
    """

    wants: Callable[[Outcome], bool]
    waiting: deque[Outcome] = field(default_factory=deque)
    heard: str = ""
    is_cut: bool = False
    is_over: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, outcomes: Sequence[Outcome], place: str) -> None:
        """Let him hear of these, as far as he wants them."""
        wanted = [outcome for outcome in outcomes if self.wants(outcome)]
        self.heard = place
        if not wanted:
            return
        self.waiting.extend(wanted)
        if len(self.waiting) > MOST_WAITING:
            self.waiting.clear()
            self.is_cut = True
        self._woken.set()

    def end(self) -> None:
        """Let him hear nothing more."""
        self.is_over = True
        self._woken.set()

    async def next(self, timeout_s: float) -> list[Outcome]:
        """Return what came, once something did; nothing after the timeout, or when it is over."""
        if not self.waiting and not self.is_over and not self.is_cut:
            self._woken.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._woken.wait()
            except TimeoutError:
                return []
        found = list(self.waiting)
        self.waiting.clear()
        return found


class Broadcast:
    """All listeners of this process."""

    def __init__(self, live: Live) -> None:
        """Hand out what ``live`` reads, as long as anybody listens."""
        self.live = live
        self._listeners: set[Listener] = set()
        self._at: Places = ()
        self._feed: Feed | None = None
        self._turn: object | None = None
        self._starting = asyncio.Lock()
        self._users = 0
        self._stopped = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Let it be read what ends for the length of the block.

        Raises:
            StoreError: Nobody listened yet, and Redis is away.
        """
        self._users += 1
        try:
            async with self._starting:
                if self._feed is None:
                    self._at = await run_in_threadpool(self.live.now)
                    self._begin()
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._end()

    @property
    def place(self) -> Places:
        """The place up to which everybody who listens has been told."""
        return self._at

    def add(self, listener: Listener) -> Places:
        """Let one hear of all that ends after the place that is returned."""
        listener.heard = write_places(self._at)
        self._listeners.add(listener)
        if self._stopped:
            listener.end()
        return self._at

    def remove(self, listener: Listener) -> None:
        """Let him hear nothing more."""
        self._listeners.discard(listener)

    def stop(self) -> None:
        """End everybody's listening; in the event loop."""
        self._stopped = True
        for listener in self._listeners:
            listener.end()
        self._end()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        # Not the feed itself: its thread may deliver before `start` has returned it.
        turn = self._turn = object()

        def deliver(outcomes: Sequence[Outcome], places: Places) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(self._offer, turn, outcomes, places)

        self._feed = self.live.start(deliver, self._at)

    def _end(self) -> None:
        feed, self._feed, self._turn = self._feed, None, None
        if feed is not None:
            feed.stop()

    def _offer(self, turn: object, outcomes: Sequence[Outcome], places: Places) -> None:
        # A feed that is stopping may come behind the next one's place.
        if turn is not self._turn:
            return
        self._at = places
        heard = write_places(places)
        for listener in self._listeners:
            listener.offer(outcomes, heard)


async def end_when_gone(receive: Receive, listener: Listener) -> None:
    """End one's listening once his connection is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()
