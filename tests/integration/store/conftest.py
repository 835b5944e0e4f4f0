"""A shard of the store on the real server, driven script by script; every test leaves its keys in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from helperhub.store.catalogue import Catalogue
from helperhub.store.connection import build_client
from helperhub.store.executions import Executions
from helperhub.store.keys import Keys
from helperhub.store.record import Record, unpack_record
from helperhub.store.scripts import Claimed, Gone, PlanEntry, Publication, Scripts, Settlement, SpecChange
from helperhub.testing.keyspace import find_strays
from helperhub.trust.signing import no_signatures

HOUR_MS = 3_600_000


class Store:
    """The scripts with the arguments that most tests don't care about."""

    def __init__(self, url: str, hub: str) -> None:
        self.client: Any = build_client(url)
        self.keys = Keys(hub)
        self.scripts = Scripts(self.client, self.keys)
        self.executions = Executions(self.client, self.keys)
        self.catalogue = Catalogue(self.client, self.keys, no_signatures(hub))
        #: Parts of the lines that the check after the test may find: the test broke something on purpose.
        self.expected_strays: tuple[str, ...] = ()
        self._numbers: Counter[str] = Counter()

    # -- time: Redis TIME never runs backwards in a shard, so setting its memory forward lets time pass

    def now_ms(self) -> int:
        return self.scripts.due(limit=1).now_ms

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.client.set(self.key("clock"), self.now_ms() + ms)

    # -- scripts

    def publish(self, id_: str, *, delay_ms: int = 0, bound: int = 0, **places: Any) -> tuple[int, str]:
        """Enqueue one execution; ``places`` are those of its record."""
        record = replace(Record(helper="tidy", max_attempts=3, call=f"call-{id_}"), **places)
        return self.scripts.publish([Publication(id_, record, delay_ms=delay_ms, bound=bound)])[0]

    def join(self, *workers: str, lease_ms: int = 30_000) -> None:
        """Register worker processes."""
        for worker in workers:
            self.scripts.join(worker, lease_ms=lease_ms, about={"queues": "default"})

    def claim(
        self,
        worker: str = "w",
        *queues: str,
        want: int = 100,
        number: int | None = None,
        will_wait: bool = False,
        waited: bool = False,
    ) -> Claimed:
        """Claim from these queues (default: ``default``) under the worker's next number."""
        if number is None:
            self._numbers[worker] += 1
            number = self._numbers[worker]
        names = queues or ("default",)
        return self.scripts.claim(worker, names, number=number, want=want, will_wait=will_wait, waited=waited)

    def claim_ids(self, worker: str = "w", *queues: str, want: int = 100) -> list[str]:
        """Claim, and return only the ids."""
        return [id_ for id_, _ in self.claim(worker, *queues, want=want).records]

    def start(self, id_: str, worker: str = "w", **places: Any) -> None:
        """Publish an execution and claim it."""
        self.publish(id_, **places)
        self.join(worker)
        assert id_ in self.claim_ids(worker, places.get("queue", "default"))

    def reap(
        self, *workers: str, suspects: Sequence[str] | None = None, cause: str = "SIGKILL"
    ) -> list[tuple[str, int]]:
        """Hand out again what these held, and what anybody held whose lease is over."""
        named = None if suspects is None else tuple(suspects)
        reaped = self.scripts.reap([Gone(worker, cause, named) for worker in workers])
        return [(one.worker, one.handed_out) for one in reaped]

    def settle(
        self, id_: str, outcome: str = "done", *, worker: str = "w", claim: int | None = None, **more: Any
    ) -> bool:
        """Settle one execution, under the worker's last claim unless told otherwise."""
        number = self._numbers[worker] if claim is None else claim
        return self.scripts.settle(worker, [Settlement(id_, number, outcome, **more)])[0] is True

    def run(self, id_: str, outcome: str = "done", **places: Any) -> None:
        """Publish, claim and settle one execution."""
        self.start(id_, **places)
        assert self.settle(id_, outcome)

    def register(self, helper: str = "tidy", *, plan: str = "renew", spec: str = "{}") -> str:
        """Put a helper into the catalogue; return the planner's state."""
        self.scripts.register([SpecChange(helper, spec=spec, plan=plan)], revision=None)
        return self.planned(helper)

    def plan(
        self,
        *slots: tuple[str, int],
        helper: str = "tidy",
        state: str | None = None,
        until_ms: int | None = None,
        missed: Sequence[tuple[str, Record, str, str]] = (),
        oldest: str = "00000000T000000Z",
    ) -> int:
        """Enter due times under the present state, unless told otherwise."""
        known = self.planned(helper) if state is None else state
        until = self.now_ms() + 2 * HOUR_MS if until_ms is None else until_ms
        return self.scripts.plan([PlanEntry(helper, known, until, oldest, slots, tuple(missed))])[0]

    def promote(self, slot: str, due_ms: int, *, helper: str = "tidy", status: str = "q", **places: Any) -> int:
        """Move one due time from the plan to where it belongs."""
        record = replace(Record(helper=helper, due_ms=due_ms, planned_ms=due_ms), **places)
        return self.scripts.enqueue_due([(helper, slot, due_ms, record, status, "")])[0]

    # -- looking

    def key(self, *parts: str) -> str:
        return self.keys.at(*parts)

    def record(self, id_: str) -> Record:
        raw = self.client.get(self.keys.record(id_))
        assert isinstance(raw, bytes), f"no record of {id_}"
        return unpack_record(raw)

    def status(self, id_: str) -> str:
        return self.record(id_).status

    def snapshot(self) -> dict[bytes, Any]:
        """Return all that Redis holds of the hub, but for the clock."""
        names = [name for name in self.client.scan_iter(match=f"{self.keys.prefix}:*") if not name.endswith(b":clock")]
        return {name: self.client.dump(name) for name in names}

    def planned(self, helper: str = "tidy") -> str:
        raw = self.client.hget(self.key("planned"), helper)
        return raw.decode() if raw else ""

    def slots(self, helper: str = "tidy") -> dict[str, int]:
        """Return a helper's plan: slot to due ms."""
        return {
            slot.decode(): int(due)
            for slot, due in self.client.zrange(self.key("plan", helper), 0, -1, withscores=True)
        }

    def counters(self, queue: str = "default") -> dict[str, int]:
        return {name.decode(): int(value) for name, value in self.client.hgetall(self.key("count", queue)).items()}

    def ids(self, *parts: str) -> list[str]:
        """Return the members of a sorted set."""
        return [raw.decode() for raw in self.client.zrange(self.key(*parts), 0, -1)]

    def damage(self, id_: str, raw: bytes = b"\x01garbage") -> None:
        """Overwrite an execution's record."""
        self.client.set(self.keys.record(id_), raw)


@pytest.fixture
def store(redis_url: str, hub_name: str) -> Iterator[Store]:
    """A store of the test's own; afterwards no key may lie about that nothing leads to."""
    found = Store(redis_url, hub_name)
    yield found
    strays = find_strays(found.client, found.keys)
    found.client.close()
    unexpected = [stray for stray in strays if not any(part in stray for part in found.expected_strays)]
    assert unexpected == []
