"""One claimer for all queues of a worker process: it asks for as much as the threads can start."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from helperhub.broker.audit import Audit
from helperhub.broker.intake import Intake
from helperhub.broker.lane import Lane
from helperhub.broker.message import ClaimedMessage, OpenBody, open_claim
from helperhub.broker.order import queue_order
from helperhub.broker.pace import LOOK_S
from helperhub.errors import CorruptRecord, HelperHubError
from helperhub.model.verdict import Outcome
from helperhub.store.bell import Bell
from helperhub.store.board import Board
from helperhub.store.scripts import Claimed, Scripts, Settlement

_log = logging.getLogger("helperhub.claimer")
#: Read ahead at most this much of recent run time (DESIGN, Processes).
READ_AHEAD_S = 0.02
#: Nor more executions than these, or eight a thread.
MOST_AHEAD = 64
#: While work of a lower queue is in hand that hasn't started, the higher ones are claimed from this often at most.
LOOK_HIGHER_S = 0.003
#: What was claimed and hasn't started after this goes back.
MAX_UNSTARTED_S = 1.0
#: A quiet worker looks by itself this often, in case a bell was lost with a dying worker.
QUIET_POLL_S = 3.0
#: While a suspect of another shard runs alone here, this often is asked whether it still does.
_ALONE_LOOK_S = 0.05
#: One that went back because its process was never free is left to others for so long.
_SUSPECT_PAUSE_MS = 5_000
_RETURNED = Outcome.RETURNED.value
#: A claim that is on its way is back by then, or Redis is away.
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class ClaimerOptions:
    """How a claimer behaves.

    Args:
        threads: Worker threads of this process.
        lease_ms: How long this process may be silent.
        about: What the process says of itself in the worker registry.
        open_body: Checks and opens what a claimed execution was given.
    """

    threads: int
    lease_ms: int
    about: Mapping[str, str]
    open_body: OpenBody


class Claimer:
    """A thread that claims, and fills the intake that worker threads take from."""

    def __init__(  # noqa: PLR0913 - what one of several claimers is joined to the others by
        self,
        scripts: Scripts,
        bell: Bell,
        worker: str,
        *,
        board: Board,
        audit: Audit,
        options: ClaimerOptions,
        settle: Callable[[Settlement], None],
        on_unreadable: Callable[[str, CorruptRecord], None],
        intake: Intake,
        lane: Lane | None = None,
    ) -> None:
        """Prepare; `start` registers the worker process and begins.

        Args:
            scripts: The store.
            bell: What this worker waits on: rung when there is something to claim.
            worker: Id of this worker process.
            board: Where the keeper reads what has started.
            audit: Told of what comes in hand; says what was lost sight of.
            options: Threads, lease and registry entry.
            settle: Takes the settlement of what goes back unstarted.
            on_unreadable: Told of a claimed execution whose record can't be decoded.
            intake: Where worker threads take claimed messages from.
            lane: What there is of other claimers in this process; None means there are none.
        """
        self._lane = lane or Lane()
        self._shard = scripts.keys.shard
        self._scripts = scripts
        self._bell = bell
        self._worker = worker
        self._board = board
        self._audit = audit
        self._options = options
        self._settle = settle
        self._on_unreadable = on_unreadable
        self._queues: list[str] = []
        self._registered_queues: list[str] = []
        self.intake = intake
        self._lock = threading.Lock()
        self._unstarted: dict[str, ClaimedMessage] = {}
        self._in_hand = 0
        self._gone_back = 0
        self._mean_run_s = 0.0
        self._alone = False
        self._started = 0
        # As they were with the last claim: what had started, and the queues above those of what hasn't.
        self._started_then = 0
        self._lowest: tuple[int, str] = (0, "")
        self._higher: list[str] = []
        # Whether something may be there, whether it is known to be, and when it will be, monotonic seconds.
        self._rung = False
        self._left_higher = False
        self._due_at = float("inf")
        self._stopping = False
        self._number = 0
        self.claimed_total = 0
        #: Turns of the thread's loop; one that doesn't grow hangs.
        self.turns = 0
        self.last_claim_at = time.monotonic()
        self._clock_offset = 0.0
        self._thread = threading.Thread(target=self._run, name="helperhub-claimer", daemon=True)

    def start(self, queues: Iterable[str] = ()) -> None:
        """Register the worker process, take its lease and begin to claim from ``queues``."""
        self.prepare(queues)
        self.join()
        self.begin_claiming()

    def prepare(self, queues: Iterable[str]) -> None:
        """Note what it will claim from."""
        self._queues = sorted(queues, key=queue_order)

    def begin_claiming(self) -> None:
        """Begin to claim; `join` first, or it is done as soon as Redis is there."""
        self._bell.open()
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Claim nothing more, without waiting for a claim that is on its way."""
        self._stopping = True

    def wake(self) -> None:
        """Let the thread look around at once, wherever it waits."""
        self._bell.rouse()

    @property
    def knows_time(self) -> bool:
        """Whether Redis has ever told its time here."""
        return self._clock_offset != 0.0

    def stop(self) -> None:
        """Take nothing new; what is in hand stays. Never raises."""
        self.ask_to_stop()
        self.wake()
        # What a claim that is on its way brings must be in hand when the caller looks.
        self._thread.join(_STOP_S)

    def serve(self, name: str) -> None:
        """Claim from this queue too."""
        with self._lock:
            if name in self._queues:
                return
            self._queues = sorted([*self._queues, name], key=queue_order)
        self.wake()

    def begin(self, message: ClaimedMessage) -> bool:
        """Note that a thread starts ``message``; False means it went back and must not run here."""
        with self._lock:
            if message.returned:
                return False
            self._unstarted.pop(message.execution_id, None)
            message.started_at = time.monotonic()
            self._started += 1
            self._board.count(self._lane.count_start())
        self._board.enter(message.execution_id, message.claim)
        return True

    def release(self, message: ClaimedMessage) -> None:
        """Note that ``message`` is out of hand: its thread is free again."""
        self._board.leave()
        with self._lock:
            self._in_hand -= 1
            self._gone_back -= message.returned
            self._unstarted.pop(message.execution_id, None)
            if message.started_at:
                # A moving mean over about ten runs: enough to read ahead of short work, quick to forget it.
                self._mean_run_s += (time.monotonic() - message.started_at - self._mean_run_s) / 10
        # A thread that only finds that there is nothing to do yet costs as much as a small job.
        if self._alone or self._room() > 0:
            self.wake()

    def epoch_ms(self, monotonic: float) -> int:
        """Return a monotonic instant of this process as Redis TIME, ms."""
        return int((monotonic + self._clock_offset) * 1000)

    @property
    def in_hand(self) -> int:
        """Executions claimed that are neither out of hand nor went back."""
        return self._in_hand - self._gone_back

    def return_unstarted(self, *, older_than_s: float = 0.0) -> int:
        """Hand back what no thread has started; return how many."""
        horizon = time.monotonic() - older_than_s
        with self._lock:
            going = [m for m in self._unstarted.values() if m.claimed_at <= horizon]
            for message in going:
                message.returned = True
                del self._unstarted[message.execution_id]
            # They take up their credit until a thread has passed them over: more would only wait as these did.
            self._gone_back += len(going)
        for message in going:
            self._settle(Settlement(message.execution_id, message.claim, Outcome.RETURNED.value))
        return len(going)

    def _credit(self) -> int:
        if self._alone:  # a suspect is all that this process may hold
            self._alone = self._in_hand > 0
            if self._alone:
                return 0
            self._lane.leave_alone()
        return self._room()

    def _room(self) -> int:
        """Return how many executions are worth asking for."""
        threads, mean_s = self._options.threads, self._mean_run_s
        # All threads together start as much in that time; of very short work, no more than one call brings.
        ahead = min(int(READ_AHEAD_S * threads / mean_s), max(8 * threads, MOST_AHEAD)) if mean_s > 0.0 else 0
        in_hand = self._in_hand + self._lane.elsewhere()
        credit = threads + ahead - in_hand
        # Ask for many at once rather than often: half of what is read ahead is enough to keep threads busy.
        return credit if credit >= max(1, ahead // 2) or in_hand < threads else 0

    def _higher_at(self) -> float:
        """Return when to claim what waits in higher queues than that of what was read ahead, monotonic seconds.

        The bell tells of it, or it is known: then what was brought of it has to be started first.
        """
        if not self._higher or not self._unstarted or self._alone:
            return float("inf")
        some_started = self._started - self._started_then >= max(1, self._options.threads // 4)
        at = 0.0 if self._rung or (self._left_higher and some_started) else self._due_at
        return max(at, self.last_claim_at + LOOK_HIGHER_S)

    def join(self) -> None:
        """Register the worker process and take its lease."""
        queues = self._queues  # `serve` replaces it meanwhile
        about = {**self._options.about, "queues": ",".join(queues)}
        now_ms = self._scripts.join(self._worker, lease_ms=self._options.lease_ms, about=about)
        self._registered_queues = queues
        self._clock_offset = now_ms / 1000 - time.monotonic()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._work()
            except Exception:  # noqa: BLE001 - a thread that ends leaves a worker process that lives and does nothing
                _log.exception("claimer_failed")
                self._bell.wait(MAX_UNSTARTED_S, listen=False)
        self._bell.close()

    def _work(self) -> None:
        waited = False
        failures = 0
        while not self._stopping:
            self.turns += 1
            if self._unstarted:
                self.return_unstarted(older_than_s=MAX_UNSTARTED_S)
            self._bell.forget()
            want, queues = self._find_next()
            looks_higher = queues is self._higher
            try:
                if want < 1:
                    self._rest()
                    continue
                if not self._lane.begin_claim():
                    self._bell.wait(_ALONE_LOOK_S, listen=False)
                    continue
                claimed = self._claim_in_order(want, queues, will_wait=not looks_higher, waited=waited)
                waited = not claimed.records and not looks_higher
                if self.intake.holds_back:
                    self._rest()
                elif waited and not self._stopping:
                    self._bell.wait(self._quiet_s(claimed))
                failures = 0
            except HelperHubError as error:
                failures += 1
                if failures == 1:
                    _log.warning("claim_failed", extra={"error": str(error)})
                self._bell.wait(min(0.1 * 2 ** min(failures, 6), 3.0), listen=False)

    def _find_next(self) -> tuple[int, list[str]]:
        """Return how many to claim, and from which queues."""
        want = self._credit() if self._queues else 0
        if want < 1 and time.monotonic() >= self._higher_at():
            return self._options.threads, self._higher
        return want, self._queues

    def _claim_in_order(self, want: int, queues: list[str], *, will_wait: bool, waited: bool) -> Claimed:
        try:
            if self._registered_queues != self._queues:
                self.join()
            for lost in self._audit.find_lost():
                self._settle(lost)
            return self._claim(want, queues, will_wait=will_wait, waited=waited)
        finally:
            self._lane.end_claim()

    def _rest(self) -> None:
        """Wait until there is room for more, or more urgent work; meanwhile see to it that enough threads work."""
        holds_back = self.intake.holds_back
        longest = LOOK_S if holds_back else MAX_UNSTARTED_S
        until_higher = self._higher_at() - time.monotonic()
        listens = bool(self._higher and self._unstarted) and not self._rung
        if self._bell.wait(min(longest, max(0.0, until_higher)), listen=listens):
            self._rung = True
        if holds_back:
            self.intake.consider_more()

    def _claim(self, want: int, queues: list[str], *, will_wait: bool, waited: bool) -> Claimed:
        # The same number until an answer arrives: a claim whose reply was lost is answered again, not made again.
        claimed = self._scripts.claim(
            self._worker,
            queues,
            number=self._number + 1,
            want=want,
            will_wait=will_wait,
            waited=waited,
            free=max(0, self._options.threads - self._in_hand - self._lane.elsewhere()),
            above=len(self._higher) if self._unstarted else 0,
        )
        self._number += 1
        self.last_claim_at = time.monotonic()
        if not claimed.registered:
            _log.warning("lease_lost", extra={"worker_id": self._worker})
            # It was handed out again: what hasn't started here must not start any more.
            self.return_unstarted()
            self.join()
            return Claimed(registered=True, now_ms=0, next_due_ms=1)
        self._clock_offset = claimed.now_ms / 1000 - self.last_claim_at
        for execution_id, _ in claimed.records:
            self._audit.take(execution_id, self._number)
        opened = [self._open(execution_id, raw) for execution_id, raw in claimed.records]
        messages = [message for message in opened if message is not None]
        self.claimed_total += len(messages)
        with self._lock:
            self._note_higher(messages, claimed, full=len(claimed.records) >= want)
            self._in_hand += len(messages)
            self._unstarted.update((message.execution_id, message) for message in messages)
        self.intake.offer(messages)
        return claimed

    def _note_higher(self, messages: Sequence[ClaimedMessage], claimed: Claimed, *, full: bool) -> None:
        if not self._unstarted:
            self._lowest = (0, "")
        last = queue_order(messages[-1].record.queue) if messages else (0, "")  # they come in the order of their queues
        self._left_higher = full and last < self._lowest
        self._lowest = max(self._lowest, last)
        self._higher = [name for name in self._queues if queue_order(name) < self._lowest]
        self._started_then = self._started
        self._rung = False
        until_due_s = (claimed.next_due_ms - claimed.now_ms) / 1000
        self._due_at = self.last_claim_at + until_due_s if claimed.next_due_ms else float("inf")

    def _open(self, execution_id: str, raw: bytes) -> ClaimedMessage | None:
        """Return the message to be run, or None for what can't run here and was settled so."""
        try:
            open_body = self._options.open_body
            message = open_claim(execution_id, raw, open_body, claim=self._number, claimed_at=self.last_claim_at)
        except CorruptRecord as error:
            self._on_unreadable(execution_id, error)
            self._settle(Settlement(execution_id, self._number, Outcome.DEAD.value, reason=error.message))
            return None
        message.shard = self._shard
        if message.record.lost > 0:
            if not self._lane.enter_alone():
                reason = "its worker process has other work in hand"
                self._settle(
                    Settlement(execution_id, self._number, _RETURNED, delay_ms=_SUSPECT_PAUSE_MS, reason=reason)
                )
                return None
            self._alone = True
        return message

    def _quiet_s(self, claimed: Claimed) -> float:
        if not claimed.next_due_ms:
            return QUIET_POLL_S
        return min(QUIET_POLL_S, max(0.001, (claimed.next_due_ms - claimed.now_ms) / 1000))
