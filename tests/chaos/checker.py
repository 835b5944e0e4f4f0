"""The invariants of the fault plan, checked once after healing and draining; and the report."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.chaos.arena import THREADS, Arena
from tests.chaos.ledger import Effect

from helperhub.store.record import Record, unpack_record
from helperhub.store.scripts import Scripts
from helperhub.testing.keyspace import find_strays

REPORT = Path(os.environ.get("HELPERHUB_TEST_CHAOS_REPORT") or Path(__file__).parents[2] / "chaos-report.json")
_FINAL = {"s": "success", "e": "error", "x": "expired", "c": "cancelled", "k": "skipped"}


@dataclass
class Report:
    """What a scenario led to.

    Args:
        scenario: Its name.
        seed: Of its choices.
        jobs: Executions that Redis had answered for, or that were due.
        effects: Lines of the effect log.
        duplicates: Effects of an attempt beyond its first.
        bound: Most duplicates that I3 allows.
        lost: Accepted executions without effect and without a recorded end.
        longest_stuck_s: Longest time that passed between two effects of one execution, or without
            any effect at all while work was waiting.
        ends: Executions by their final state.
        problems: Invariants that don't hold, one line each.
        figures: What a scenario measured besides: each first and last.
    """

    scenario: str
    seed: int
    jobs: int
    effects: int
    duplicates: int
    bound: int
    lost: int
    longest_stuck_s: float
    kills: int
    lost_leases: int
    ends: dict[str, int]
    problems: list[str] = field(default_factory=list)
    figures: dict[str, list[int]] = field(default_factory=dict)

    def publish(self) -> None:
        """Print the report, and append it to the report file."""
        document = asdict(self)
        print(json.dumps(document))  # noqa: T201 - a scenario prints its report
        with REPORT.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known = json.loads(file.read() or "[]")
            file.truncate(0)
            json.dump([*known, document], file, indent=1)


def check(
    arena: Arena,
    scenario: str,
    *,
    ends: Collection[str] = ("success",),
    threads: int = THREADS,
    forgiven: Collection[str] = (),
    set_back: Collection[str] = (),
    due: Collection[str] = (),
    keeps_history: bool = True,
    figures: dict[str, list[int]] | None = None,
) -> Report:
    """Return the scenario's report, published; `Report.problems` is empty if all invariants hold.

    Args:
        arena: Healed, drained and stopped.
        scenario: Its name.
        ends: Final states that accepted work may have.
        threads: Of each worker process, for the bound of I3.
        forgiven: Accepted ids that the scenario's own promise gives up, such as the last 2 s before a crash.
        set_back: Ids of which a failover may have forgotten a claim or a verdict: they may be repeated, and
            the record needn't tell. None of them may be lost.
        due: Ids that the schedulers had to enqueue; they count as accepted.
        keeps_history: Whether all that ended must still be in the history.
        figures: For the report.
    """
    checker = _Checker(arena, set(forgiven), set(set_back), set(due))
    problems = [*checker.effects(), *checker.records(set(ends)), *checker.places()]
    problems += checker.counts(exactly=keeps_history)
    bound = arena.kills * (threads + arena.settle_window) + arena.lost_leases + len(set_back)
    if checker.duplicates > bound:
        problems.append(f"I3: {checker.duplicates} duplicates, {bound} are allowed")
    report = Report(
        scenario=scenario,
        seed=arena.seed,
        jobs=len(checker.accepted),
        effects=len(checker.all_effects),
        duplicates=checker.duplicates,
        bound=bound,
        lost=len(checker.lost),
        longest_stuck_s=round(checker.longest_stuck_s(), 2),
        kills=arena.kills,
        lost_leases=arena.lost_leases,
        ends=checker.ends,
        problems=problems[:20],
        figures=figures or {},
    )
    report.publish()
    arena.failed = bool(problems)
    return report


class _Checker:
    def __init__(self, arena: Arena, forgiven: set[str], set_back: set[str], due: set[str]) -> None:
        self.arena = arena
        self.shards = arena.hub.scripts.each
        self.accepted = set(arena.ledger.accepted) | due
        self.known = self.accepted | set(arena.ledger.offered)
        self.forgiven = forgiven
        self.set_back = set_back
        self.all_effects = arena.ledger.effects()
        self.by_id = arena.ledger.effects_by_id()
        self.by_attempt = Counter((effect.id, effect.attempt) for effect in self.all_effects)
        self.duplicates = len(self.all_effects) - len(self.by_attempt)
        self.found = self._read()
        self.lost = {id_ for id_ in self.accepted if id_ not in self.by_id and id_ not in self.found} - forgiven
        statuses = Counter(record.status for record in self.found.values())
        self.ends = {_FINAL.get(code, code): number for code, number in statuses.items()}

    def _read(self) -> dict[str, Record]:
        found = {}
        for shard in self.shards:
            start = len(shard.keys.record(""))
            names = list(shard.client.scan_iter(match=shard.keys.record("*"), count=1000))
            for at in range(0, len(names), 1000):
                chunk = names[at : at + 1000]
                for name, raw in zip(chunk, shard.client.mget(chunk), strict=True):
                    found[name.decode()[start:]] = unpack_record(raw)
        return found

    def effects(self) -> Iterator[str]:
        for id_ in sorted(self.lost)[:5]:
            yield f"I1: {id_} is lost: accepted, without effect, and without a record"
        for id_ in sorted(self.accepted - self.forgiven):
            record = self.found.get(id_)
            if record is not None and record.status not in _FINAL:
                yield f"I1: {id_} has not ended: {record.status}"
        for id_ in sorted(self.by_id.keys() - self.known)[:5]:
            if "@" not in id_:  # scheduled work; whoever schedules some says which in `due`
                yield f"I2: {id_} took effect, and nobody asked for it"
        unsure = self.forgiven | self.set_back
        for id_, found in self.by_id.items():
            record = self.found.get(id_)
            if record is not None and id_ not in unsure:
                yield from self._deliveries(id_, record, found)

    def _deliveries(self, id_: str, record: Record, found: list[Effect]) -> Iterator[str]:
        if len(found) > record.delivery:
            yield f"I3: {id_} took effect {len(found)} times, and its record tells of {record.delivery} deliveries"
        if len({effect.delivery for effect in found}) != len(found):
            yield f"I3: {id_} took effect twice in one delivery"

    def records(self, allowed: set[str]) -> Iterator[str]:
        for id_, record in self.found.items():
            if id_ not in self.known:
                continue
            status = _FINAL.get(record.status, record.status)
            if status not in allowed:
                yield f"I5: {id_} ended as {status}: {record.reason}"
            if status == "success" and id_ not in self.by_id:
                yield f"I5: {id_} succeeded without an effect"
            if record.attempt > record.max_attempts or record.delivery < (record.attempt if status == "success" else 0):
                yield f"I5: {id_} has attempt {record.attempt}, delivery {record.delivery}"
            if record.started_ms and not record.enqueued_ms <= record.finished_ms:
                yield f"I5: {id_} ended before it was enqueued"

    def places(self) -> Iterator[str]:
        for shard in self.shards:
            for kind in ("ready", "suspects", "delayed", "parked", "held"):
                for name in shard.client.scan_iter(match=shard.keys.at(kind, "*")):
                    yield f"I4: {name.decode()} is left"
            if shard.client.exists(shard.keys.at("workers")):
                yield "I4: a lease is left"
            for stray in find_strays(shard.client, shard.keys):
                yield f"I7: {stray}"

    def counts(self, *, exactly: bool) -> Iterator[str]:
        for shard in self.shards:
            for name in shard.client.smembers(shard.keys.at("queues")):
                yield from self._counts_of(shard, name.decode(), exactly=exactly)

    def _counts_of(self, shard: Scripts, queue: str, *, exactly: bool) -> Iterator[str]:
        listed: Counter[str] = Counter()
        for kind in "sf":
            entries = shard.client.xrange(shard.keys.at("ended", queue, kind))
            for id_ in (id_ for _, values in entries for id_ in values[b"i"].decode().split("\0")):
                record = self.found.get(id_)
                listed[record.status if record else "?"] += 1
        counters = shard.client.hgetall(shard.keys.at("count", queue))
        for code, status in _FINAL.items():
            counted = int(counters.get(code.encode(), 0))
            if counted != listed[code] if exactly else counted < listed[code]:
                yield f"I6: {queue} counted {counted} {status}, its history has {listed[code]}"

    def longest_stuck_s(self) -> float:
        gaps = [after.mono - before.mono for found in self.by_id.values() for before, after in pairwise(found)]
        times = [effect.mono for effect in self.all_effects]
        begin = min(self.arena.ledger.accepted.values(), default=times[0] if times else 0.0)
        silences = [after - before for before, after in pairwise([begin, *times]) if after > before]
        return max([0.0, *gaps, *silences])
