"""What the scripts of `store/lua` promise, as plain Python: one shard, one thread, no Redis.

Every method is one script and gives the script's answer. Nothing here is clever: sets, dictionaries and the
rules in the order in which the scripts' heads state them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

STEP_MS = 60_000
OPEN = frozenset("qr")


@dataclass
class Entry:
    """One execution as the model knows it."""

    helper: str
    queue: str = "default"
    priority: int = 3
    due: int = 0
    expires: int = 0
    attempt: int = 1
    max_attempts: int = 1
    delivery: int = 0
    lost: int = 0
    status: str = "q"
    token: str = ""
    reason: str = ""
    overlap: str = ""
    call: str = ""
    unique: str = ""
    enqueued: int = 0
    finished: int = 0
    started: int = 0

    @property
    def score(self) -> int:
        return self.due + (self.priority - 1) * STEP_MS


@dataclass
class Model:
    """A shard."""

    now: int
    entries: dict[str, Entry] = field(default_factory=dict)
    ready: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    suspects: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    delayed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    parked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    active: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    held: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    workers: dict[str, int] = field(default_factory=dict)
    last_claim: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    alone: dict[str, str] = field(default_factory=dict)
    draining: str = ""
    paused: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    cancel_asked: set[str] = field(default_factory=set)
    ended: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    of: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    #: Group to its size and the members that are done.
    groups: dict[str, tuple[int, set[str]]] = field(default_factory=dict)

    # -- shared steps

    def wait(self, id_: str) -> None:
        entry = self.entries[id_]
        entry.status, entry.token = "q", ""
        # What may have killed its process waits apart, to be run alone.
        now = self.suspects if entry.lost else self.ready
        (self.delayed if entry.due > self.now else now)[entry.queue].add(id_)

    def enqueue(self, id_: str, entry: Entry) -> None:
        self.entries[id_] = entry
        entry.enqueued = self.now
        entry.due = entry.due or self.now
        if entry.expires < 0:
            entry.expires = entry.due - entry.expires
        if entry.overlap:
            self.active[entry.helper].add(id_)
        self.counts[entry.queue]["enqueued"] += 1
        self.wait(id_)

    def finish(self, id_: str, status: str, reason: str = "") -> None:
        entry = self.entries[id_]
        entry.status, entry.reason, entry.finished, entry.token = status, reason, self.now, ""
        kind = "s" if status == "s" else "f"
        self.ended[entry.queue, kind].append(id_)
        self.of[entry.helper, kind].insert(0, id_)
        if status == "e":
            self.dead.add(id_)
        self.counts[entry.queue][status] += 1
        if entry.enqueued:
            self.counts[entry.queue]["ended"] += 1
        if entry.overlap:
            self.active[entry.helper].discard(id_)
            self.release_parked(entry.helper)

    def release_parked(self, helper: str) -> None:
        waiting = self.parked[helper]
        if not waiting or self.active[helper]:
            return
        first = min(waiting, key=lambda id_: (self.entries[id_].due, id_))
        waiting.discard(first)
        self.active[helper].add(first)
        self.counts[self.entries[first].queue]["parked"] -= 1
        self.wait(first)

    def unqueue(self, id_: str) -> None:
        entry = self.entries[id_]
        for places in (self.ready, self.suspects, self.delayed):
            places[entry.queue].discard(id_)
        if id_ in self.parked[entry.helper]:
            self.parked[entry.helper].discard(id_)
            self.counts[entry.queue]["parked"] -= 1

    def promote(self, queue: str) -> None:
        due = {id_ for id_ in self.delayed[queue] if self.entries[id_].due <= self.now}
        self.delayed[queue] -= due
        self.ready[queue] |= due

    def next_delayed(self, queues: list[str]) -> int:
        return min((self.entries[id_].due for name in queues for id_ in self.delayed[name]), default=0)

    def forget(self, id_: str, kind: str) -> None:
        entry = self.entries.pop(id_)
        found = self.of[entry.helper, kind]
        # The oldest entry of that id: LREM from the tail.
        del found[len(found) - 1 - found[::-1].index(id_)]

    def overdue(self, id_: str) -> bool:
        entry = self.entries[id_]
        return 0 < entry.expires < self.now and entry.delivery == 0

    # -- scripts

    def publish(self, id_: str, entry: Entry, *, delay: int, bound: int) -> tuple[int, str]:
        found = self.entries.get(id_)
        if found and entry.call and found.call != entry.call:
            return -2, id_
        if found:
            return 0, id_
        for other, known in self.entries.items():
            if entry.unique and known.unique == entry.unique and not known.finished:
                return 2, other
        waiting = (self.ready, self.delayed, self.suspects)
        depth = sum(len(places[entry.queue]) for places in waiting) + self.counts[entry.queue]["parked"]
        if 0 < bound <= depth:
            return -1, str(depth)
        entry.due = entry.due or self.now + delay
        self.enqueue(id_, entry)
        return 1, id_

    def join(self, worker: str, lease: int) -> None:
        self.workers[worker] = self.now + lease

    def renew(self, workers: list[str], lease: int) -> list[str]:
        for worker in set(workers) & self.workers.keys():
            self.workers[worker] = self.now + lease
        return [worker for worker in workers if worker not in self.workers]

    def claim(self, worker: str, queues: list[str], *, number: int, want: int) -> list[str] | None:
        """Return the ids, or None when the worker isn't registered."""
        if worker not in self.workers:
            return None
        last, ids = self.last_claim.get(worker, (0, []))
        if last == number:
            return [id_ for id_ in ids if self.held[worker].get(id_) == number and id_ in self.entries]
        claimed: list[str] = []
        free = f"worker:{worker}" not in self.paused and self._is_free(worker, queues, number, claimed)
        for queue in queues:
            self.promote(queue)
            if free and queue not in self.paused:
                self._claim_from(queue, worker, number, want, claimed)
        if claimed:
            self.last_claim[worker] = number, claimed
        return claimed

    def _is_free(self, worker: str, queues: list[str], number: int, claimed: list[str]) -> bool:
        """Return whether it may claim as usual; a suspect is taken here, for it is run alone."""
        if self.alone.get(worker) in self.held[worker]:
            return False
        suspects = [queue for queue in queues if queue not in self.paused and self.suspects[queue]]
        if not suspects:
            return True
        if not self.held[worker]:
            first = min(self.suspects[suspects[0]], key=lambda id_: self._place(id_, "score"))
            self.suspects[suspects[0]].discard(first)
            self._take(first, worker, number, claimed)
            self.alone[worker] = first
            return False
        if self.draining not in ("", worker):
            return True
        self.draining = worker
        return False

    def _take(self, id_: str, worker: str, number: int, claimed: list[str]) -> None:
        entry = self.entries[id_]
        entry.status, entry.delivery, entry.token = "r", entry.delivery + 1, f"{worker}.{number}"
        self.held[worker][id_] = number
        claimed.append(id_)

    def _claim_from(self, queue: str, worker: str, number: int, want: int, claimed: list[str]) -> None:
        while len(claimed) < want and self.ready[queue]:
            # Popped together: what one of them releases into the queue when it expires comes after these.
            popped = sorted(self.ready[queue], key=lambda id_: self._place(id_, "score"))[: want - len(claimed)]
            self.ready[queue] -= set(popped)
            for id_ in popped:
                if self.overdue(id_):
                    self.finish(id_, "x")
                elif self.entries[id_].lost:
                    self.suspects[queue].add(id_)
                else:
                    self._take(id_, worker, number, claimed)

    def settle(self, worker: str, id_: str, number: int, outcome: str, *, started: int, delay: int) -> bool:
        entry = self.entries.get(id_)
        if entry is None or entry.status != "r" or entry.token != f"{worker}.{number}":
            return False
        del self.held[worker][id_]
        cancelled = id_ in self.cancel_asked
        self.cancel_asked.discard(id_)
        if outcome == "returned":
            entry.delivery -= 1
            entry.due = self.now + delay if delay else entry.due
            self.finish(id_, "c") if cancelled else self.wait(id_)
            return True
        if started:
            entry.started = started
            self.counts[entry.queue]["wait_ms"] += max(0, started - entry.due)
            self.counts[entry.queue]["run_ms"] += max(0, self.now - started)
            self.counts[entry.queue]["started"] += 1
        if outcome == "interrupted" and not cancelled:
            self.wait(id_)
            return True
        entry.lost = 0
        if outcome == "overrun":
            outcome = "retry" if entry.attempt < entry.max_attempts else "dead"
            delay = min(15_000 * 2 ** (entry.attempt - 1), 3_600_000)
        if outcome == "retry" and not cancelled:
            entry.attempt += 1
            entry.due = self.now + delay
            self.counts[entry.queue]["retried"] += 1
            self.wait(id_)
        elif outcome in ("done", "expired", "skipped"):
            self.finish(id_, {"done": "s", "expired": "x", "skipped": "k"}[outcome])
        else:
            self.finish(id_, "c" if outcome == "cancelled" or cancelled else "e")
        return True

    def open_group(self, group: str, size: int) -> bool:
        if group in self.groups:
            return False
        self.groups[group] = size, set()
        return True

    def complete_member(self, group: str, member: str) -> bool:
        """Count a member that is done; return whether the group is complete with it, and forgotten."""
        if group not in self.groups:
            return False
        size, done = self.groups[group]
        done.add(member)
        if len(done) < size:
            return False
        del self.groups[group]
        return True

    def reap(self, gone: list[tuple[str, tuple[str, ...] | None]]) -> list[tuple[str, int, int]]:
        """Reap these (worker, suspects or None for all it held) and those whose lease is over."""
        expired = sorted((until, worker) for worker, until in self.workers.items() if until <= self.now)
        answer = []
        for worker, suspects in [*gone, *((worker, None) for _, worker in expired)]:
            alone = self.alone.pop(worker, None)
            held = self.held.pop(worker, {})
            given_up = 0
            for id_ in held:
                given_up += self._hand_out(id_, suspected=suspects is None or id_ in suspects, alone=id_ == alone)
            known = self.workers.pop(worker, None)
            self.last_claim.pop(worker, None)
            self.paused.discard(f"worker:{worker}")
            if known is not None or held:
                answer.append((worker, len(held), given_up))
        return answer

    def _hand_out(self, id_: str, *, suspected: bool, alone: bool) -> bool:
        entry = self.entries[id_]
        if id_ in self.cancel_asked:
            self.cancel_asked.discard(id_)
            self.finish(id_, "c")
            return False
        if suspected:
            entry.lost = max(entry.lost, 1) + alone
        if entry.lost > 2:
            self.finish(id_, "e")
            return True
        self.wait(id_)
        return False

    def cancel(self, id_: str) -> str:
        entry = self.entries.get(id_)
        if entry is None:
            return "unknown"
        if entry.status == "q":
            self.unqueue(id_)
            self.finish(id_, "c")
            return "cancelled"
        if entry.status == "r":
            self.cancel_asked.add(id_)
            return "asked"
        return "final"

    def replay(self, old: str, new: str, entry: Entry) -> tuple[int, str]:
        found = self.entries.get(old)
        if found is None:
            return -2, old
        if new in self.entries:
            return 0, new
        if not found.finished:
            return -1, old
        if found.status == "e":
            if found.reason:
                return 0, found.reason
            self.dead.discard(old)
            found.reason = new
            if old in self.unlisted:
                self.unlisted.discard(old)
                self.ended[found.queue, "f"].append(old)
        entry.due = self.now
        self.enqueue(new, entry)
        return 1, new

    def delete_dead(self, ids: list[str]) -> int:
        removed = 0
        for id_ in ids:
            if id_ in self.dead:
                self.dead.discard(id_)
                removed += 1
                if id_ in self.unlisted:
                    self.unlisted.discard(id_)
                    self.forget(id_, "f")
        return removed

    def purge(self, queue: str, limit: int) -> int:
        purged = 0
        while purged < limit:
            before = purged
            for waiting, order in ((self.ready, "score"), (self.suspects, "score"), (self.delayed, "due")):
                chosen = sorted(waiting[queue], key=lambda id_: self._place(id_, order))[: limit - purged]
                waiting[queue] -= set(chosen)
                for id_ in chosen:
                    self.finish(id_, "c")
                purged += len(chosen)
            if purged == before:
                break
        return purged

    def _place(self, id_: str, order: str) -> tuple[int, str]:
        entry = self.entries[id_]
        return (entry.score, id_) if order == "score" else (entry.due, f"{entry.priority}{id_}")

    def sweep(self, queue: str) -> int:
        self.promote(queue)
        waiting = sorted(self.ready[queue], key=lambda id_: self._place(id_, "score"))
        overdue = [id_ for id_ in waiting if self.overdue(id_)]
        for id_ in overdue:
            self.ready[queue].discard(id_)
            self.finish(id_, "x")
        return len(overdue)

    def trim(self, queue: str, kind: str, limit: int) -> int:
        """Trim what is older than now: with the clock set forward, that is everything."""
        stream = self.ended[queue, kind]
        going, stream[:] = stream[:limit], stream[limit:]
        for id_ in going:
            if id_ in self.dead:
                self.unlisted.add(id_)
            else:
                self.forget(id_, kind)
        return len(going)
