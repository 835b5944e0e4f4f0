"""The work queue of a `dramatiq.Worker`: what was claimed goes straight to its threads.

Dramatiq's consumer threads would take each message from the claimer and put it into a queue for the
worker threads: two hand-overs more, each a switch of threads. So the claimer fills the worker's
queue itself, and consumers only get what is none of a thread's business, such as unknown actors.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty
from typing import Any, Protocol

from helperhub.broker.message import ClaimedMessage
from helperhub.broker.order import Waiting
from helperhub.broker.pace import Pace

_JOIN_LOOK_S = 0.01
_CLOSED_S = 0.02


@dataclass(frozen=True, slots=True)
class Item:
    """What Dramatiq's worker threads take: something with a message."""

    message: ClaimedMessage


class _Queued(Protocol):
    @property
    def message(self) -> Any:
        """The message."""


class _Sleeper:
    """A thread that waits, and what it is woken with."""

    __slots__ = ("bell", "given")

    def __init__(self) -> None:
        self.bell = threading.Lock()
        self.bell.acquire()
        self.given: ClaimedMessage | None = None


class Intake:
    """Hands claimed messages to worker threads, those of higher queues first, to as many threads as help."""

    def __init__(self, pace: Pace, *, is_usual: Callable[[ClaimedMessage], bool]) -> None:
        """Begin empty.

        Args:
            pace: How many threads take work at once.
            is_usual: Whether a thread can run a message; others go to a consumer.
        """
        self._pace = pace
        self._is_usual = is_usual
        self._lock = threading.Lock()
        self._waiting = Waiting()
        self._sleepers: list[_Sleeper] = []
        self._own = threading.local()
        self._active = 0
        self._unusual: deque[ClaimedMessage] = deque()
        self._news = threading.Condition()
        #: Queues whose consumers are at work: a thread looks the consumer of its message up.
        self._live: dict[str, None] = {}
        #: Messages that were handed in and aren't done, as `queue.Queue` calls it.
        self.unfinished_tasks = 0
        self._closed = False

    # -- the claimer's side

    def offer(self, messages: Iterable[ClaimedMessage]) -> None:
        """Take claimed messages in, most urgent first."""
        usual: list[ClaimedMessage] = []
        unusual: list[ClaimedMessage] = []
        for message in messages:
            (usual if self._is_usual(message) else unusual).append(message)
        if usual:
            with self._lock:
                self._waiting.extend(usual)
                self.unfinished_tasks += len(usual)
                self._wake()
        if unusual:
            with self._news:
                self._unusual.extend(unusual)
                self._news.notify_all()

    @property
    def has_work(self) -> bool:
        """Whether a thread that becomes free finds work here."""
        return bool(self._waiting)

    @property
    def holds_back(self) -> bool:
        """Whether work waits that a thread could take, if more were to: `consider_more` says."""
        return bool(self._waiting and self._sleepers)

    def consider_more(self) -> None:
        """Let more threads take work if that helps."""
        with self._lock:
            self._pace.look()
            self._wake()

    def close(self) -> None:
        """Hand nothing out any more, and let nobody wait: the worker stops."""
        self._closed = True
        with self._lock:
            for sleeper in self._sleepers:
                sleeper.bell.release()
            self._sleepers.clear()
        with self._news:
            self._news.notify_all()

    # -- a consumer's side

    def open(self, queue_name: str) -> None:
        """Note that the consumer of a queue is at work; before the first is, no thread gets anything."""
        if queue_name not in self._live:
            with self._lock:
                self._live[queue_name] = None
                self._wake()

    def take_unusual(self, timeout: float) -> ClaimedMessage | None:
        """Return the next message that isn't for a thread, or None after ``timeout`` seconds."""
        with self._news:
            if not self._unusual and not self._closed:
                self._news.wait(timeout)
            if self._closed:
                time.sleep(_CLOSED_S)
            return self._address(self._unusual.popleft()) if self._unusual else None

    # -- the worker's side: what Dramatiq calls on its queue

    def get(self, block: bool = True, timeout: float | None = None) -> Item:  # noqa: FBT001, FBT002 - as `queue.Queue`
        """Return the next message; the calling thread was given one before has none in hand any more.

        Raises:
            Empty: There was none in time, or other threads are enough for what there is.
        """
        own = self._own
        if self._closed:
            time.sleep(_CLOSED_S)  # the thread is told to end at any moment, and looks again until then
            raise Empty
        with self._lock:
            if getattr(own, "active", False):
                own.active = False
                self._active -= 1
            if self._waiting and self._live and self._active < self._pace.target:
                self._active += 1
                own.active = True
                return Item(self._address(self._waiting.popleft()))
            if not block:
                raise Empty
            sleeper = getattr(own, "sleeper", None)
            if sleeper is None:
                sleeper = own.sleeper = _Sleeper()
            # The last that went to sleep is the first to be woken: what it needs is still at hand.
            self._sleepers.append(sleeper)
        if not sleeper.bell.acquire(timeout=-1 if timeout is None else timeout):
            with self._lock:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)
                    raise Empty
            sleeper.bell.acquire()  # it was woken at the very moment
        message, sleeper.given = sleeper.given, None
        own.active = True
        if message is None:
            raise Empty
        return Item(self._address(message))

    def get_nowait(self) -> Item:
        """Return the next message.

        Raises:
            Empty: There is none.
        """
        return self.get(block=False)

    def put(self, item: _Queued) -> None:
        """Take in what a consumer thread hands on."""
        with self._lock:
            self._waiting.append(item.message)
            self.unfinished_tasks += 1
            self._wake()

    def task_done(self) -> None:
        """Note that a message is done."""
        with self._lock:
            self.unfinished_tasks -= 1

    def join(self) -> None:
        """Wait until every message is done."""
        while self.unfinished_tasks:
            time.sleep(_JOIN_LOOK_S)

    def _wake(self) -> None:
        while self._waiting and self._sleepers and self._live and self._active < self._pace.target:
            sleeper = self._sleepers.pop()
            sleeper.given = self._waiting.popleft()
            self._active += 1
            sleeper.bell.release()

    def _address(self, message: ClaimedMessage) -> ClaimedMessage:
        # A thread looks a consumer up by this name, and any can settle any message: so it may be the message's own
        # queue, which middleware wants to see, once that has a consumer which can be looked up.
        queue = message.record.queue
        message.queue_name = queue if queue in self._live else next(iter(self._live))
        return message
