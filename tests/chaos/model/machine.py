"""A hypothesis state machine: the scripts on a real server beside the model, compared after every step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.chaos.model.looking import GROUPS, HELPER, QUEUES, WORKERS, read_places, shown
from tests.chaos.model.model import OPEN, STEP_MS, Entry, Model
from tests.chaos.model.plan import Plan
from tests.integration.store.conftest import HOUR_MS, Store

from helperhub.store.record import Record, unpack_record
from helperhub.store.scripts import Gone, MemberDone, Publication, Settlement
from helperhub.testing.keyspace import find_strays

IDS = ["a", "b", "c", "d", "e"]
NEW_IDS = ["n1", "n2", "n3", "n4"]
SLOTS = [f"@20260101T00000{second}Z" for second in range(10)]
OUTCOMES = ["done", "retry", "dead", "expired", "cancelled", "interrupted", "skipped", "returned", "overrun"]

ids = st.sampled_from([*IDS, *NEW_IDS, *(HELPER + slot for slot in SLOTS)])
chance = st.integers(0, 29)
#: Of the thirty that `chance` has, these go to what is interesting.
OFTEN = 24
workers = st.sampled_from(WORKERS)
queues = st.sampled_from(QUEUES)
minutes = st.sampled_from([0, 1, 3, 10])
slots = st.sampled_from(SLOTS)
groups = st.sampled_from(GROUPS)
places = st.builds(
    lambda queue, priority, overlap, expires: {
        "queue": queue,
        "priority": priority,
        "overlap": overlap,
        "expires_ms": -expires * STEP_MS,
    },
    queues,
    st.sampled_from([1, 3, 5]),
    st.sampled_from(["", "s", "q"]),
    minutes,
)


class ScriptsBesideModel(RuleBasedStateMachine):
    """Drives both with the same steps; `url` and `hub` are set by who runs it."""

    url: str
    hubs: Any

    @initialize()
    def begin(self) -> None:
        self.store = Store(self.url, next(self.hubs))
        # Redis TIME never runs backwards in a shard: with its memory set forward the clock stands still.
        self.store.advance(HOUR_MS)
        self.model = Model(self.store.now_ms())
        self.plan = Plan(self.model, HELPER)
        self.states = [""]
        self.numbers = dict.fromkeys(WORKERS, 0)
        self.claims: list[tuple[str, int, str]] = []
        self.asked: dict[str, tuple[int, list[str], int]] = {}
        for worker in WORKERS:
            self.join(worker, 5)
        self.register("renew")

    def pick(self, at: int, preferred: Iterable[str]) -> str:
        """Return one of these, or now and then (and where there are none) any id."""
        found = sorted(preferred)
        return found[at % len(found)] if found and at < OFTEN else IDS[at % len(IDS)]

    def pick_slot(self, at: int) -> str:
        found = sorted(self.plan.slots)
        return found[at % len(found)] if found and at < OFTEN + 3 else SLOTS[at % len(SLOTS)]

    def with_status(self, *statuses: str) -> list[str]:
        return [id_ for id_, entry in self.model.entries.items() if entry.status in statuses]

    def entry(self, record: Record) -> Entry:
        return Entry(
            helper=record.helper,
            queue=record.queue,
            priority=record.priority,
            due=record.due_ms,
            expires=record.expires_ms,
            overlap=record.overlap,
            call=record.call,
            unique=record.unique,
            max_attempts=record.max_attempts,
        )

    # -- enqueueing and time

    @rule(found=st.lists(places, min_size=1, max_size=3))
    def publish_some(self, found: list[dict[str, Any]]) -> None:
        free = [id_ for id_ in IDS if id_ not in self.model.entries]
        for id_, kind in zip(free, found, strict=False):
            self.publish(id_, kind, 0, 0, "1", unique="")

    @rule(
        id_=ids,
        found=places,
        delay=minutes,
        bound=st.sampled_from([0, 0, 1, 3]),
        call=st.sampled_from(["", "1", "2"]),
        unique=st.sampled_from(["", "u"]),
    )
    def publish(self, id_: str, found: dict[str, Any], delay: int, bound: int, call: str, unique: str) -> None:
        record = Record(helper=HELPER, max_attempts=3, call=call, unique=unique, **found)
        publication = Publication(id_, record, delay_ms=delay * STEP_MS, bound=bound)
        answer = self.store.scripts.publish([publication])[0]
        assert answer == self.model.publish(id_, self.entry(record), delay=delay * STEP_MS, bound=bound)

    @rule(by=minutes)
    def advance(self, by: int) -> None:
        self.model.now += by * STEP_MS
        self.store.client.set(self.store.key("clock"), self.model.now)

    @rule(worker=workers, lease=st.sampled_from([1, 5]))
    def join(self, worker: str, lease: int) -> None:
        self.store.join(worker, lease_ms=lease * STEP_MS)
        self.model.join(worker, lease * STEP_MS)

    @rule(lease=st.sampled_from([1, 5]))
    def renew(self, lease: int) -> None:
        expected = self.model.renew(WORKERS, lease * STEP_MS)
        assert self.store.scripts.renew(WORKERS, lease_ms=lease * STEP_MS) == expected

    # -- claiming and settling

    @rule(worker=workers, names=st.permutations(QUEUES), want=st.sampled_from([1, 2, 5]))
    def claim(self, worker: str, names: list[str], want: int) -> None:
        self.numbers[worker] += 1
        self.asked[worker] = self.numbers[worker], names, want
        self.claims += [(worker, self.numbers[worker], id_) for id_ in self.send_claim(worker)]

    @rule(worker=workers, want=st.sampled_from([1, 2, 5]), outcome=st.sampled_from([*OUTCOMES, "done", "dead"]))
    def claim_and_settle(self, worker: str, want: int, outcome: str) -> None:
        known = len(self.claims)
        self.claim(worker, QUEUES, want)
        for claim in self.claims[known:]:
            self.settle_claim(claim, outcome, delay=1, started=True, follow_up=True)

    @rule(group=groups, size=st.integers(1, 3))
    def open_group(self, group: str, size: int) -> None:
        assert self.store.scripts.open_group(group, size, keep_ms=HOUR_MS) == self.model.open_group(group, size)

    @rule(worker=workers, group=groups, outcome=st.sampled_from(["done", "done", "retry", "dead"]))
    def settle_members(self, worker: str, group: str, outcome: str) -> None:
        for claim in [claim for claim in self.claims if self.model.held[worker].get(claim[2]) == claim[1]]:
            self.settle_claim(claim, outcome, delay=1, started=True, follow_up=False, group=group)

    @rule(worker=workers)
    def claim_again_with_the_same_number(self, worker: str) -> None:
        if worker in self.asked:
            number = self.asked[worker][0]
            found = [(worker, number, id_) for id_ in self.send_claim(worker)]
            self.claims += [claim for claim in found if claim not in self.claims]

    def send_claim(self, worker: str) -> list[str]:
        number, names, want = self.asked[worker]
        # It ends by itself, by the server's own clock.
        self.model.draining = (self.store.client.get(self.store.key("draining")) or b"").decode()
        claimed = self.store.claim(worker, *names, want=want, number=number)
        expected = self.model.claim(worker, names, number=number, want=want)
        assert claimed.registered == (expected is not None)
        assert [id_ for id_, _ in claimed.records] == (expected or [])
        return expected or []

    @rule(
        at=chance,
        outcome=st.sampled_from(OUTCOMES),
        delay=minutes,
        started=st.booleans(),
        follow_up=st.booleans(),
    )
    def settle(self, at: int, outcome: str, delay: int, *, started: bool, follow_up: bool) -> None:
        """Settle any claim there ever was: in hand, settled already, or lost to somebody else."""
        in_hand = [claim for claim in self.claims if self.model.held[claim[0]].get(claim[2]) == claim[1]]
        chosen = in_hand if in_hand and at < OFTEN // 2 else self.claims
        if chosen:
            claim = chosen[-1 - at % len(chosen)]
            self.settle_claim(claim, outcome, delay=delay, started=started, follow_up=follow_up)

    def settle_claim(
        self, claim: tuple[str, int, str], outcome: str, *, delay: int, started: bool, follow_up: bool, group: str = ""
    ) -> None:
        worker, number, id_ = claim
        started_ms = self.model.now if started and outcome != "returned" else 0
        record = Record(helper="next", call="f")
        follow_ups = (Publication("n2", record, delay_ms=STEP_MS),) if follow_up and outcome == "done" else ()
        # Several executions may be one member: one that was replayed.
        member, callbacks = id_[:1], (Publication("n3", record, delay_ms=STEP_MS),)
        settlement = Settlement(
            id_, number, outcome, started_ms=started_ms, delay_ms=delay * STEP_MS, follow_ups=follow_ups,
            group=MemberDone(group, member, callbacks, HOUR_MS) if group else None,
        )  # fmt: skip
        fresh = self.store.scripts.settle(worker, [settlement])[0]
        was_asked = id_ in self.model.cancel_asked
        assert fresh == self.model.settle(worker, id_, number, outcome, started=started_ms, delay=delay * STEP_MS), (
            outcome,
            was_asked,
        )
        if fresh and follow_ups:
            self.follow("n2", record)
        if fresh and outcome == "done" and group and self.model.complete_member(group, member):
            self.follow("n3", record)

    def follow(self, id_: str, record: Record) -> None:
        if id_ not in self.model.entries:
            entry = self.entry(record)
            entry.due = self.model.now + STEP_MS
            self.model.enqueue(id_, entry)

    @rule(worker=workers)
    def die_while_all_it_holds_runs_and_start_again(self, worker: str) -> None:
        self.reap([worker], at=0)
        self.join(worker, 5)

    @rule(gone=st.lists(workers, max_size=1), at=chance)
    def reap(self, gone: list[str], at: int) -> None:
        # The board of the dead names what had started; without a board all that it held is suspected.
        suspects = tuple(list(self.model.held[gone[0]])[: at % 3]) if gone and at % 2 else None
        reaped = self.store.scripts.reap([Gone(worker, "SIGKILL", suspects) for worker in gone])
        found = [(one.worker, one.handed_out, one.given_up) for one in reaped]
        assert found == self.model.reap([(worker, suspects) for worker in gone])

    @rule(what=st.sampled_from([*QUEUES, "worker:w1"]))
    def pause_or_resume(self, what: str) -> None:
        self.model.paused ^= {what}
        key = self.store.key("paused")
        self.store.client.sadd(key, what) if what in self.model.paused else self.store.client.srem(key, what)

    # -- what people do

    @rule(at=chance)
    def cancel(self, at: int) -> None:
        id_ = self.pick(at, self.with_status("q", "r"))
        assert self.store.scripts.cancel([id_], reason="by hand") == [self.model.cancel(id_)]

    @rule(at=chance, new=st.sampled_from(NEW_IDS))
    def replay(self, at: int, new: str) -> None:
        old = self.pick(at, self.with_status("e") if at % 2 else self.model.entries)
        record = Record(helper=HELPER, replay_of=old)
        answer = self.store.scripts.replay([(old, new, record)])[0]
        assert answer == self.model.replay(old, new, self.entry(record))

    @rule(found=st.lists(chance, min_size=1, max_size=2))
    def delete_dead(self, found: list[int]) -> None:
        chosen = [self.pick(at, self.model.dead) for at in found]
        assert self.store.scripts.delete_dead(chosen) == self.model.delete_dead(chosen)

    def purge(self, queue: str, limit: int) -> None:
        assert self.store.scripts.purge(queue, limit=limit, reason="purged") == self.model.purge(queue, limit)

    def sweep(self, queue: str) -> None:
        _, expired = self.store.scripts.sweep(queue, start=0, limit=100)
        assert expired == self.model.sweep(queue)

    @rule(at=chance, queue=queues, by=minutes)
    def sweep_trim_or_purge(self, at: int, queue: str, by: int) -> None:
        """Clean, seldom; each of them alone would empty the world too often."""
        if at < 10:
            self.advance(by)
            self.sweep(queue)
        elif at < 20:
            self.trim(queue, "sf"[at % 2], limit=1 if at % 3 else 100)
        else:
            self.purge(queue, limit=1 if at % 3 else 100)

    @rule()
    def end_the_history(self) -> None:
        for queue in QUEUES:
            for kind in "sf":
                self.trim(queue, kind, limit=100)

    def trim(self, queue: str, kind: str, limit: int) -> None:
        # Stream ids are of the server's own clock, which is behind the shard's here: keep 0 means all of them.
        there = len(self.model.ended[queue, kind])
        ended = self.store.scripts.trim(queue, kind, keep_ms=0, limit=limit, bound_bytes=0, held=True)
        # What ended in one call goes together.
        assert min(limit, there) <= ended <= there
        self.model.trim(queue, kind, ended)

    # -- the plan

    @rule(change=st.sampled_from(["renew", "renew", "keep", "stop"]))
    def register(self, change: str) -> None:
        self.store.register(HELPER, plan=change)
        self.plan.register(change)
        self.states.append(self.plan.state)

    @rule(found=st.lists(st.tuples(slots, st.sampled_from([-2, -1, 0, 5])), max_size=6), stale=st.integers(0, 9))
    def enter_due_times(self, found: list[tuple[str, int]], stale: int) -> None:
        state = self.states[-1 - stale % len(self.states)] if stale > 6 else self.plan.state
        entered = [(slot, self.model.now + by * STEP_MS) for slot, by in found]
        until = self.model.now + HOUR_MS
        assert self.store.plan(*entered, state=state, until_ms=until) == self.plan.plan(state, entered, until)
        self.states.append(self.plan.state)

    @rule(at=chance, action=st.sampled_from(["skip", "move", "run"]), by=minutes, why=st.sampled_from("xy"))
    def mark_plan(self, at: int, action: str, by: int, why: str) -> None:
        slot = self.pick_slot(at)
        due = self.model.now + by * STEP_MS
        answer = self.store.scripts.mark_plan(
            HELPER, slot, action, due_ms=due, reason=why, record=Record(helper=HELPER)
        )
        assert answer == self.plan.mark(slot, action, due, why)

    @rule(found=places, status=st.sampled_from("qqqkx"), at=chance)
    def enqueue_due(self, found: dict[str, Any], status: str, at: int) -> None:
        slot = self.pick_slot(at)
        due = self.plan.slots.get(slot, self.model.now) + (at >= OFTEN)
        self.promote(slot, due, Record(helper=HELPER, due_ms=due, **found), status)

    def promote(self, slot: str, due: int, record: Record, status: str) -> None:
        answer = self.store.scripts.enqueue_due([(HELPER, slot, due, record, status, "")])[0]
        assert answer == self.plan.enqueue_due(slot, due, self.entry(record), status)

    @rule(overlaps=st.lists(st.sampled_from("sqqq"), min_size=1, max_size=3))
    def due_times_come(self, overlaps: list[str]) -> None:
        fresh = [slot for slot in SLOTS if HELPER + slot not in self.model.entries and slot not in self.plan.marks]
        for slot, overlap in zip(fresh, overlaps, strict=False):
            self.enter_due_times([(slot, 0)], stale=0)
            due = self.plan.slots.get(slot, 0)
            record = Record(helper=HELPER, due_ms=due, overlap=overlap)
            self.promote(slot, due, record, "q")

    @rule()
    def look_at_what_is_due(self) -> None:
        due = self.store.scripts.due(limit=10)
        found = {slot: at for row in due.rows for slot, at, _ in row.slots}
        assert found == {slot: at for slot, at in self.plan.slots.items() if at <= self.model.now}
        assert due.now_ms == self.model.now

    # -- what must hold after every step

    @invariant()
    def records_are_what_the_model_says(self) -> None:
        known = list(self.model.entries)
        raws = self.store.client.mget([self.store.keys.record(id_) for id_ in known]) if known else []
        for id_, raw in zip(known, raws, strict=True):
            assert raw is not None, f"{id_} is lost"
            record, entry = unpack_record(raw), self.model.entries[id_]
            assert shown(record) == (
                entry.status, entry.queue, entry.attempt, entry.delivery, entry.lost, entry.due,
                entry.expires, entry.enqueued, entry.started, entry.finished, entry.overlap,
            ), id_  # fmt: skip
        finished = sum(len(raw) for raw, id_ in zip(raws, known, strict=True) if self.model.entries[id_].finished)
        assert int(self.store.client.hget(self.store.key("history"), "bytes") or 0) == finished

    @invariant()
    def every_execution_stands_where_the_model_says(self) -> None:
        found = read_places(self.store)
        model = self.model
        for queue in (*QUEUES, "default"):
            assert found[f"ready:{queue}"] == model.ready[queue]
            assert found[f"suspects:{queue}"] == model.suspects[queue]
            assert {id_[1:] for id_ in found[f"delayed:{queue}"]} == model.delayed[queue]
            assert [found[f"ended:{queue}:{kind}"] for kind in "sf"] == [model.ended[queue, kind] for kind in "sf"]
            assert {k: v for k, v in self.store.counters(queue).items() if v} == {
                k: v for k, v in model.counts[queue].items() if v
            }
        for worker in WORKERS:
            assert found[f"held:{worker}"] == {id_: str(number) for id_, number in model.held[worker].items()}
        for name, expected in (
            (f"parked:{HELPER}", model.parked[HELPER]),
            (f"active:{HELPER}", model.active[HELPER]),
            ("dead", model.dead),
            ("unlisted", model.unlisted),
            ("cancel", model.cancel_asked),
            ("workers", set(model.workers)),
        ):
            assert found[name] == expected, name
        for group in GROUPS:
            size, done = model.groups.get(group, (0, set()))
            fields = {"size": str(size)} | {f"m:{member}": "" for member in done}
            assert found[f"group:{group}"] == (fields if size else {})
        for kind in "sf":
            assert found[f"of:{HELPER}:{kind}"] == model.of[HELPER, kind]
        assert self.store.slots(HELPER) == self.plan.slots
        assert self.store.planned(HELPER) == self.plan.state

    @invariant()
    def each_open_execution_stands_in_one_place_of_the_model(self) -> None:
        model = self.model
        for id_, entry in model.entries.items():
            waits = [*model.ready.values(), *model.suspects.values(), *model.delayed.values(), *model.parked.values()]
            places_of = sum(id_ in found for found in waits) + sum(id_ in held for held in model.held.values())
            assert places_of == (entry.status in OPEN), id_

    def teardown(self) -> None:
        if hasattr(self, "store"):
            strays = find_strays(self.store.client, self.store.keys)
            names = list(self.store.client.scan_iter(match=f"{self.store.keys.prefix}:*"))
            self.store.client.delete(*names)
            self.store.client.close()
            assert strays == []
