"""The scripts of a hub with several shards, as if they were one's.

Work is placed by its queue when it comes in; after that each execution is where it is, and every
worker process claims from every shard. So a queue may be given another shard at any time: what is in
the old one is worked off there. What a shard can't do now never keeps the others from their work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from zlib import crc32

from helperhub.errors import StoreError, StoreUnavailable
from helperhub.store.record import Record
from helperhub.store.scripts import Gone, Publication, Reaped, Report, Scripts, Settlement
from helperhub.store.undo import Undoable

T = TypeVar("T")

_log = logging.getLogger("helperhub.shards")
#: How long a shard that couldn't be asked is left alone.
_PAUSE_S = 3.0
_DueEntry = tuple[str, str, int, Record, str, str]


def first_shard(queue: str) -> int:
    """Return shard 0 for any queue; for those that enqueue nothing."""
    del queue
    return 0


@dataclass(frozen=True, slots=True)
class ShardedScripts(Scripts):
    """The scripts of all shards; catalogue and plan are shard 0's.

    Args:
        parts: One for each shard, shard 0 first.
        shard_of: The shard of a queue.
        down: Shards that can't be used now, until the monotonic second when they are tried again.
    """

    parts: tuple[Scripts, ...] = ()
    shard_of: Callable[[str], int] = first_shard
    down: dict[int, float] = field(default_factory=dict)

    @property
    def each(self) -> tuple[Scripts, ...]:
        """The scripts of each shard."""
        return self.parts

    def publish(self, publications: Sequence[Publication]) -> list[tuple[int, str]]:
        """Enqueue, each in its queue's shard; the members of a group share one, for there they are counted."""
        places = [self._place(publication) for publication in publications]
        answers: dict[int, tuple[int, str]] = {}
        for shard in sorted(set(places)):
            positions = [position for position, place in enumerate(places) if place == shard]
            found = self.parts[shard].publish([publications[position] for position in positions])
            answers.update(zip(positions, found, strict=True))
        return [answers[position] for position in range(len(publications))]

    def join(self, worker: str, *, lease_ms: int, about: Mapping[str, str]) -> int:
        """Register a worker process in every shard; return shard 0's time."""
        times = [part.join(worker, lease_ms=lease_ms, about=about) for part in self.parts]
        return times[0]

    def renew(self, workers: Sequence[str], *, lease_ms: int, seen: Mapping[str, str] | None = None) -> list[str]:
        """Renew leases in every shard; return the workers that have none any more in one of them."""
        lost = self._of_each(lambda part: part.renew(workers, lease_ms=lease_ms, seen=seen))
        return sorted({worker for workers in lost for worker in workers})

    def reap(self, gone: Sequence[Gone] = ()) -> list[Reaped]:
        """Hand out again what worker processes held; in a shard that can't be asked it waits for the lease's end."""
        sums: dict[str, Reaped] = {}
        for reaped in self._of_each(lambda part: part.reap(gone)):
            for one in reaped:
                so_far = sums.get(one.worker, Reaped(one.worker, 0, 0))
                handed, given_up = so_far.handed_out + one.handed_out, so_far.given_up + one.given_up
                sums[one.worker] = Reaped(one.worker, handed, given_up)
        return list(sums.values())

    def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool | str]:
        """Carry out verdicts, wherever their executions are."""
        answers = self._of_each(lambda part: part.settle(worker, settlements))
        return [next((one for one in found if one), False) for found in zip(*answers, strict=True)]

    def report(self, reports: Sequence[Report], *, keep: int, lifetime_ms: int) -> list[bool]:
        """Keep what executions say of themselves, wherever they are."""
        answers = self._of_each(lambda part: part.report(reports, keep=keep, lifetime_ms=lifetime_ms))
        return [any(found) for found in zip(*answers, strict=True)]

    def open_group(self, group: str, size: int, *, keep_ms: int) -> bool:
        """Begin to count the members of a group."""
        return self.parts[self._shard_of_group(group)].open_group(group, size, keep_ms=keep_ms)

    def cancel(self, ids: Sequence[str], *, reason: str, undo: Undoable | None = None) -> list[str]:
        """Stop executions, wherever they are."""
        answers = [part.cancel(ids, reason=reason, undo=undo) for part in self.parts]
        return [next((code for code in found if code != "unknown"), "unknown") for found in zip(*answers, strict=True)]

    def replay(
        self, replays: Sequence[tuple[str, str, Record]], *, undo: Undoable | None = None
    ) -> list[tuple[int, str]]:
        """Put finished executions back, each in the shard where it ended."""
        answers = [part.replay(replays, undo=undo) for part in self.parts]
        return [next((one for one in found if one[0] != -2), found[0]) for found in zip(*answers, strict=True)]

    def delete_dead(self, ids: Sequence[str], *, undo: Undoable | None = None) -> int:
        """Remove dead letters; return how many there were."""
        return sum(part.delete_dead(ids, undo=undo) for part in self.parts)

    def purge(self, queue: str, *, limit: int, reason: str, undo: Undoable | None = None) -> int:
        """Cancel up to ``limit`` waiting executions of a queue; return how many."""
        purged = 0
        for part in self.parts:
            if purged < limit:
                purged += part.purge(queue, limit=limit - purged, reason=reason, undo=undo)
        return purged

    def rewrite(self, bodies: Sequence[tuple[str, bytes, bytes]]) -> list[int]:
        """Swap bodies; per id 1, or 0 where it has another by now."""
        answers = [part.rewrite(bodies) for part in self.parts]
        return [max(found) for found in zip(*answers, strict=True)]

    def set_rules(self, changes: Mapping[str, str]) -> int:
        """Change rules of limits in every shard; return how many changed in the one with the most."""
        return max(self._of_each(lambda part: part.set_rules(changes)))

    def mend(self) -> int:
        """Free slots of limits that nobody holds any more; return how many there were."""
        return sum(self._of_each(lambda part: part.mend()))

    def enqueue_due(self, entries: Sequence[_DueEntry]) -> list[int]:
        """Move due times from shard 0's plan to the shards of their queues; what can't be moved now stays."""
        codes = [0] * len(entries)
        for shard in range(len(self.parts)):
            positions = [i for i, entry in enumerate(entries) if self.shard_of(entry[3].queue) == shard]
            if not positions:
                continue
            chosen = [entries[position] for position in positions]
            act = self.parts[0].enqueue_due if shard == 0 else self._move_to(shard)
            found = self._try(shard, partial(act, chosen))
            for position, code in zip(positions, found or [], strict=False):
                codes[position] = code
        return codes

    def _move_to(self, shard: int) -> Callable[[Sequence[_DueEntry]], list[int]]:
        """Return what takes due times into another shard: held in the plan, entered there, then dropped here.

        Whoever dies in between leaves a held due time that the next scheduler goes on with: entering
        is idempotent by id. Held, a person can't skip or move it any more.
        """

        def move(entries: Sequence[_DueEntry]) -> list[int]:
            slots = [(helper, slot, due) for helper, slot, due, *_ in entries]
            held = self.parts[0].hold_due(slots)
            going = [entry for entry, is_held in zip(entries, held, strict=True) if is_held]
            entered = iter(self.parts[shard].enter_due(going) if going else [])
            self.parts[0].drop_due([slot for slot, is_held in zip(slots, held, strict=True) if is_held])
            return [next(entered) if is_held else 0 for is_held in held]

        return move

    def _place(self, publication: Publication) -> int:
        if publication.group:
            return self._shard_of_group(publication.group)
        return self.shard_of(publication.record.queue)

    def _shard_of_group(self, group: str) -> int:
        return crc32(group.encode()) % len(self.parts)

    def _of_each(self, ask: Callable[[Scripts], T]) -> list[T]:
        """Return the answers of those shards that answer.

        Raises:
            StoreError: None does.
        """
        errors: list[StoreError] = []
        found = [self._try(shard, partial(ask, part), errors) for shard, part in enumerate(self.parts)]
        answers = [answer for answer in found if answer is not None]
        if not answers:
            raise errors[0]
        return answers

    def _try(self, shard: int, act: Callable[[], T], errors: list[StoreError] | None = None) -> T | None:
        """Return what ``act`` returns, or None if the shard can't do it now; told once an outage.

        One that was away a moment ago isn't asked: a server that doesn't answer at all costs seconds each
        time, and the other shards' leases have to be renewed meanwhile.
        """
        if time.monotonic() < self.down.get(shard, 0.0):
            if errors is not None:
                errors.append(StoreUnavailable(f"Shard {shard} was away a moment ago."))
            return None
        try:
            answer = act()
        except StoreError as error:
            if errors is not None:
                errors.append(error)
            if shard not in self.down:
                _log.warning("shard_unavailable", extra={"shard": shard, "error": str(error)})
            self.down[shard] = time.monotonic() + _PAUSE_S
            return None
        if shard in self.down:
            del self.down[shard]
            _log.info("shard_recovered", extra={"shard": shard})
        return answer


def spread_scripts(parts: Iterable[Scripts], shard_of: Callable[[str], int]) -> Scripts:
    """Return the scripts of all shards as one; of a single shard its own."""
    shards = tuple(parts)
    first = shards[0]
    if len(shards) == 1:
        return first
    return ShardedScripts(first.client, first.keys, first.room, first.assurance, parts=shards, shard_of=shard_of)
