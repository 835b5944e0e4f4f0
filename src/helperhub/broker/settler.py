"""Outcomes on their way to Redis: gathered while the last batch travels, settled many at once."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from helperhub.errors import StoreError
from helperhub.model.verdict import Outcome
from helperhub.store.scripts import Scripts, Settlement

_log = logging.getLogger("helperhub.settler")
#: Most outcomes in one call; bounds the time that the script holds Redis (about 10 us each).
MAX_BATCH = 256
#: While threads go on to more work, outcomes wait for each other: until there are this many, or this long.
_ENOUGH = 16
_LINGER_S = 0.005
_T = TypeVar("_T")
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)


class Settler:
    """A thread that carries verdicts to the settle script.

    ``add`` returns while fewer than ``window`` outcomes are unsettled, else it waits; so a kill -9
    repeats at most threads + window executions. A batch leaves as soon as the last one's reply is in;
    while threads have more work at hand it waits a few ms for company, for each call costs Redis as
    much as ten outcomes.
    """

    def __init__(
        self,
        scripts: Scripts,
        worker: str,
        *,
        window: int,
        on_settled: Callable[[Sequence[Settlement]], None],
        more_follows: Callable[[], bool],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            scripts: The store.
            worker: Id of this worker process, under which the claims were made.
            window: Outcomes that may be unsettled at once; 0 waits for every reply.
            on_settled: Told of outcomes that are with Redis, or won't get there any more.
            more_follows: Whether threads have more work at hand, so that more outcomes are to come soon.
        """
        self._scripts = scripts
        self._worker = worker
        self._window = window
        self._on_settled = on_settled
        self._more_follows = more_follows
        self._enough = min(_ENOUGH, window // 2)
        self._lock = threading.Condition()
        self._pending: deque[Settlement] = deque()
        self._unsettled = 0
        self._added = 0
        self._settled = 0
        self._closing = False
        #: How many outcomes the thread waits for; 0 while it is at work.
        self._awaits = 0
        self._deadline = float("inf")
        self.thread = threading.Thread(target=self._run, name="helperhub-settler", daemon=True)

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """The thread that settles."""
        return (self.thread,)

    def start(self) -> None:
        """Begin to settle."""
        self.thread.start()

    def add(self, settlement: Settlement) -> None:
        """Take an outcome; wait while more than the window are unsettled. Never raises."""
        with self._lock:
            self._pending.append(settlement)
            self._unsettled += 1
            self._added += 1
            ticket = self._added
            if 0 < self._awaits <= len(self._pending):
                self._lock.notify_all()
            if self._window == 0:
                self._lock.wait_for(lambda: self._settled >= ticket or not self.thread.is_alive())
            elif self._unsettled >= self._window:
                self._lock.wait_for(lambda: self._unsettled < self._window or not self.thread.is_alive())

    def close(self, timeout: float) -> int:
        """Settle what is left and stop.

        Args:
            timeout: Seconds to go on trying while Redis is away.

        Returns:
            How many outcomes are still unsettled; their executions will be handed out again.
        """
        with self._lock:
            self._closing = True
            self._deadline = time.monotonic() + timeout
            self._lock.notify_all()
        self.thread.join(timeout + 5.0)
        return self._unsettled

    def _run(self) -> None:
        while True:
            with self._lock:
                self._await(1)
                if not self._pending:
                    return
                if self._more_follows():
                    self._await(self._enough, _LINGER_S)
                batch = [self._pending.popleft() for _ in range(min(len(self._pending), MAX_BATCH))]
            self._settle(batch)
            self._on_settled(batch)
            with self._lock:
                self._unsettled -= len(batch)
                self._settled += len(batch)
                self._lock.notify_all()

    def _await(self, outcomes: int, timeout: float | None = None) -> None:
        """Wait until so many outcomes are pending, or the end."""
        self._awaits = outcomes
        self._lock.wait_for(lambda: len(self._pending) >= outcomes or self._closing, timeout)
        self._awaits = 0

    def _settle(self, batch: list[Settlement]) -> None:
        try:
            answers = self._persist(len(batch), lambda: self._scripts.settle(self._worker, batch))
        except Exception as error:  # noqa: BLE001 - whatever one verdict holds, this thread must go on
            self._settle_apart(batch, error)
            return
        for settlement, answer in zip(batch, answers or (), strict=False):
            if isinstance(answer, str):
                _log.error("settle_failed", extra={"execution_id": settlement.id, "error": answer})
            elif not answer:
                _log.warning("settle_stale", extra={"execution_id": settlement.id})

    def _settle_apart(self, batch: list[Settlement], error: Exception) -> None:
        if len(batch) > 1:  # one of them can't be sent: find it, and let its neighbours go
            for settlement in batch:
                self._settle([settlement])
            return
        _log.error("settle_failed", extra={"execution_id": batch[0].id, "error": str(error)})
        reason = f"its verdict can't be sent: {error}"
        bare = Settlement(batch[0].id, batch[0].claim, Outcome.DEAD.value, reason=reason)
        self._persist(1, lambda: self._scripts.settle(self._worker, [bare]))

    def _persist(self, executions: int, call: Callable[[], list[_T]]) -> list[_T] | None:
        """Return the answer of ``call``, made until Redis answers; None once that is given up."""
        turn = 0
        while True:
            try:
                return call()
            except StoreError as error:
                # A time-out, a failover, a login that is being changed: what one execution can't have is answered.
                if not self._wait_to_retry(turn, executions, error):
                    return None
                turn += 1

    def _wait_to_retry(self, turn: int, executions: int, error: StoreError) -> bool:
        # The outcome isn't known to Redis: try until it is, or until the lease is lost and the script says stale.
        if time.monotonic() > self._deadline:
            _log.warning("settle_given_up", extra={"executions": executions, "error": str(error)})
            return False
        if turn == 0:
            _log.warning("settle_delayed", extra={"executions": executions, "error": str(error)})
        time.sleep(_BACKOFF_S[min(turn, len(_BACKOFF_S) - 1)])
        return True
