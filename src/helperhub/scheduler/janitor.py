"""What has to happen now and then: leases that ended, executions that expired, history past its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from helperhub.errors import StoreError
from helperhub.model.duration import to_ms
from helperhub.store.catalogue import Catalogue
from helperhub.store.queues import Queues
from helperhub.store.scripts import Reaped, Scripts
from helperhub.store.server import read_server

T = TypeVar("T")

_CHUNK = 500
#: Where memory is short the oldest go first: after so many another queue's may be the oldest.
_FORCED_CHUNK = 50
#: A scheduler that wasn't heard of for this long is forgotten.
_SCHEDULER_MEMORY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Janitor:
    """Cleans one shard. Any number may work at once.

    Args:
        scripts: The shard's scripts.
        queues: Its queues.
        catalogue: Where schedulers are listed.
        keep_of: How long a queue's successes are kept.
        keep_failures: How long all other ends are kept.
        memory_share: Share of maxmemory that the history may take.
        archived_only: Whether what an archiver hasn't taken over stays as long as there is room.
        scheduler: This scheduler's id.
    """

    scripts: Scripts
    queues: Queues
    catalogue: Catalogue
    keep_of: Callable[[str], timedelta]
    keep_failures: timedelta
    memory_share: float
    archived_only: bool
    scheduler: str

    def agree(self) -> int:
        """Tell which schema of keys this release knows, and write it once all do; return the one that is written."""
        return self.scripts.agree(scheduler=self.scheduler)[0]

    def reap(self) -> list[Reaped]:
        """Hand out again what workers held whose lease is over."""
        return self.scripts.reap()

    def sweep(self) -> int:
        """Record what waits past its expiry in any queue; return how many."""
        expired = 0
        for name in self.queues.names():
            rank = 0
            while rank >= 0:
                rank, found = self.scripts.sweep(name, start=rank, limit=_CHUNK)
                expired += found
        return expired

    def trim(self) -> int:
        """End the history past its lifetime or its share of memory; return how many records ended."""
        facts = read_server(self.scripts.client, self.scripts.keys.prefix)
        names = self.queues.names()
        ended = sum(self._trim(name, kind) for name in names for kind in "sf")
        if facts.maxmemory:
            ended += self._trim_to(int(facts.maxmemory * self.memory_share), names)
        self.catalogue.forget_schedulers(before_ms=facts.now_ms - to_ms(_SCHEDULER_MEMORY))
        return ended

    def _trim(self, queue: str, kind: str) -> int:
        ended = 0
        while True:
            found = self._end(queue, kind, limit=_CHUNK, bound_bytes=0)
            ended += found
            if found < _CHUNK:
                return ended

    def _trim_to(self, bound: int, names: Sequence[str]) -> int:
        """End the oldest history of whatever queue until the rest fits; return how many records ended."""
        ended = 0
        while (oldest := self.queues.oldest_ended(names)) is not None:
            queue, kind = oldest
            found = self._end(queue, kind, limit=_FORCED_CHUNK, bound_bytes=bound)
            ended += found
            if not found:
                break
        return ended

    def _end(self, queue: str, kind: str, *, limit: int, bound_bytes: int) -> int:
        keep_ms, held = self._keep_ms(queue, kind), self.archived_only
        return self.scripts.trim(queue, kind, keep_ms=keep_ms, limit=limit, bound_bytes=bound_bytes, held=held)

    def _keep_ms(self, queue: str, kind: str) -> int:
        return to_ms(self.keep_of(queue) if kind == "s" else self.keep_failures)


class Janitors:
    """The janitors of all shards; one that can't work now doesn't keep the others from it."""

    def __init__(self, members: Sequence[Janitor]) -> None:
        """Work with ``members``, one a shard."""
        self._members = tuple(members)

    def agree(self) -> int:
        """Tell which schema of keys this release knows; return the oldest that is written."""
        return min(self._of_each(lambda member: member.agree()))

    def reap(self) -> list[Reaped]:
        """Hand out again what workers held whose lease is over."""
        return [lost for found in self._of_each(lambda member: member.reap()) for lost in found]

    def sweep(self) -> int:
        """Record what waits past its expiry in any queue; return how many."""
        return sum(self._of_each(lambda member: member.sweep()))

    def trim(self) -> int:
        """End the history past its lifetime or its share of memory; return how many records ended."""
        return sum(self._of_each(lambda member: member.trim()))

    def _of_each(self, act: Callable[[Janitor], T]) -> list[T]:
        """Return the answers of all; the first error is raised when all have had their turn."""
        answers: list[T] = []
        failed: StoreError | None = None
        for member in self._members:
            try:
                answers.append(act(member))
            except StoreError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return answers
