"""The claimers and settlers of one worker process, one pair a shard, as if there were one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from helperhub.broker.audit import Audit
from helperhub.broker.claimer import Claimer, ClaimerOptions
from helperhub.broker.intake import Intake
from helperhub.broker.lane import Lane, Lanes
from helperhub.broker.message import ClaimedMessage
from helperhub.broker.settler import Settler
from helperhub.errors import CorruptRecord, StoreUnavailable
from helperhub.store.bell import Bell
from helperhub.store.board import Board
from helperhub.store.scripts import Scripts, Settlement
from helperhub.store.workers import Workers


class Claimers:
    """Hands over what the claimers of all shards take; a shard that is down stops its own only."""

    def __init__(self, members: Sequence[Claimer], lanes: Lanes) -> None:
        """Join ``members``, one a shard, that share ``lanes`` and an intake."""
        self._members = tuple(members)
        self._lanes = lanes
        self.intake = self._members[0].intake

    def start(self, queues: Iterable[str] = ()) -> None:
        """Register the worker process in every shard and begin to claim; a shard that is away joins later.

        Raises:
            StoreError: No shard can be reached.
        """
        names = list(queues)
        away: list[StoreUnavailable] = []
        for member in self._members:
            member.prepare(names)
            try:
                member.join()
            except StoreUnavailable as error:
                away.append(error)
        if len(away) == len(self._members):
            raise away[0]
        for member in self._members:
            member.begin_claiming()

    def stop(self) -> None:
        """Take nothing new; what is in hand stays."""
        self._lanes.stop()
        for member in self._members:
            member.ask_to_stop()
        for member in self._members:
            member.stop()

    def serve(self, name: str) -> None:
        """Claim from this queue too."""
        for member in self._members:
            member.serve(name)

    def begin(self, message: ClaimedMessage) -> bool:
        """Note that a thread starts ``message``; False means it went back and must not run here."""
        return self._members[message.shard].begin(message)

    def release(self, message: ClaimedMessage) -> None:
        """Note that ``message`` is out of hand; its thread is free for any shard."""
        self._members[message.shard].release(message)
        for member in self._members:
            member.wake()

    def epoch_ms(self, monotonic: float) -> int:
        """Return a monotonic instant of this process as Redis TIME, ms."""
        known = next((member for member in self._members if member.knows_time), self._members[0])
        return known.epoch_ms(monotonic)

    def return_unstarted(self, *, older_than_s: float = 0.0) -> int:
        """Hand back what no thread has started; return how many."""
        return sum(member.return_unstarted(older_than_s=older_than_s) for member in self._members)

    @property
    def in_hand(self) -> int:
        """Executions in hand, of all shards."""
        return sum(member.in_hand for member in self._members)

    @property
    def claimed_total(self) -> int:
        """Executions claimed so far, of all shards."""
        return sum(member.claimed_total for member in self._members)

    @property
    def turns(self) -> int:
        """Turns of the slowest claimer's loop; it doesn't grow for long when one of them hangs."""
        return min(member.turns for member in self._members)

    @property
    def last_claim_at(self) -> float:
        """Monotonic seconds of the last answered claim."""
        return max(member.last_claim_at for member in self._members)


class Settlers:
    """Carries each verdict to the shard where its execution is."""

    def __init__(self, members: Sequence[Settler]) -> None:
        """Join ``members``, one a shard."""
        self._members = tuple(members)

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """The threads that settle."""
        return tuple(thread for member in self._members for thread in member.threads)

    def start(self) -> None:
        """Begin to settle."""
        for member in self._members:
            member.start()

    def add(self, settlement: Settlement) -> None:
        """Take an outcome; wait while too many of its shard are unsettled."""
        self._members[settlement.shard].add(settlement)

    def close(self, timeout: float) -> int:
        """Settle what is left and stop; return how many outcomes are still unsettled."""
        return sum(member.close(timeout) for member in self._members)


AnyClaimer = Claimer | Claimers
AnySettler = Settler | Settlers


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker process's claimers and settlers have in common.

    Args:
        worker: Its id.
        board: Where its keeper reads what has started.
        options: Threads, lease and registry entry.
        on_unreadable: Told of a claimed execution whose record can't be decoded.
        intake: Where its threads take claimed messages from.
    """

    worker: str
    board: Board
    options: ClaimerOptions
    on_unreadable: Callable[[str, CorruptRecord], None]
    intake: Intake


def build_worker(
    scripts: Scripts, bell: Bell, parts: WorkerParts, *, window: int | None
) -> tuple[AnyClaimer, AnySettler]:
    """Return what claims and what settles for a worker process, in each shard of ``scripts``.

    Args:
        scripts: The store.
        bell: This process's, in shard 0.
        parts: What they have in common.
        window: Outcomes that may be unsettled at once in the process; None means 4 x threads.
    """
    shards = scripts.each
    most = 4 * parts.options.threads if window is None else window
    share = -(-most // len(shards))
    if len(shards) == 1:
        return _build_pair(scripts, bell, parts, window=share, lane=None)
    lanes = Lanes()
    claimers, settlers = [], []
    for shard in shards:
        lane = lanes.add()
        own_bell = Bell(bell.client, shard.keys, parts.worker)
        claimer, settler = _build_pair(shard, own_bell, parts, window=share, lane=lane)
        lane.member = claimer
        claimers.append(claimer)
        settlers.append(settler)
    return Claimers(claimers, lanes), Settlers(settlers)


def _build_pair(
    scripts: Scripts,
    bell: Bell,
    parts: WorkerParts,
    *,
    window: int,
    lane: Lane | None,
) -> tuple[Claimer, Settler]:
    # A third of the lease: what is unknown at two looks goes back before it ends.
    registry = Workers(scripts.client, scripts.keys)
    audit = Audit(registry, parts.worker, every_s=parts.options.lease_ms / 1000 / 3)
    intake = parts.intake
    settler = Settler(
        scripts, parts.worker, window=window, on_settled=audit.settled, more_follows=lambda: intake.has_work
    )
    claimer = Claimer(
        scripts,
        bell,
        parts.worker,
        board=parts.board,
        audit=audit,
        options=parts.options,
        settle=settler.add,
        on_unreadable=parts.on_unreadable,
        intake=intake,
        lane=lane,
    )
    return claimer, settler
