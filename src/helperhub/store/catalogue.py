"""The catalogue: specs that plugins registered, overrides that operators made, and the plan they lead to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from helperhub.errors import UntrustedRecord, UsageError
from helperhub.model.helper import HelperSpec, Override, split_key
from helperhub.model.limits import HeldLimits, LimitsOverride
from helperhub.schedules.spec_document import override_from_document, resolve_spec, spec_from_document
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys
from helperhub.trust.signing import Signatures

T = TypeVar("T")
#: `Catalogue.current` believes the revision for so long, seconds; then all is read again, whatever the revision says.
_BELIEVES_S = 60.0
#: What a signature of the catalogue is for.
SPEC, OVERRIDE = "spec", "override"


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """One helper as the catalogue holds it.

    Args:
        helper: ``helper[/instance]``.
        spec: What holds: the spec with the operator's changes.
        declared: The spec as registered; None for an instance that an operator made.
        override: The operator's changes, or None.
        planned: The planner's state, ``revision|planned until ms|enabled at ms``; empty means not planned.
    """

    helper: str
    spec: HelperSpec
    declared: HelperSpec | None
    override: Override | None
    planned: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue at one moment.

    Args:
        revision: Raised by every change.
        rows: By helper (``helper[/instance]``), sorted.
        unreadable: Helpers with an entry that can't be decoded or isn't signed as it should be, with the
            reason; they have no row, so nothing is planned or enqueued from what they say.
        overrides: What operators changed, by helper; also of helpers that only have instances.
    """

    revision: int
    rows: Mapping[str, CatalogueRow]
    unreadable: Mapping[str, str]
    overrides: Mapping[str, Override] = field(default_factory=dict)
    #: What `limits` has found; at most one.
    _limits: list[Mapping[str, HeldLimits]] = field(default_factory=list, compare=False, repr=False)

    def limits(self) -> Mapping[str, HeldLimits]:
        """Return what holds each helper's executions back, by the helper's name without an instance."""
        if not self._limits:
            self._limits.append(self._find_limits())
        return self._limits[0]

    def _find_limits(self) -> dict[str, HeldLimits]:
        declared = {}
        for helper, row in self.rows.items():
            name, instance = split_key(helper)
            if instance is None or name not in declared:
                declared[name] = row.spec.limits
        return {name: self._limits_override(name).apply(limits) for name, limits in declared.items()}

    def _limits_override(self, name: str) -> LimitsOverride:
        override = self.overrides.get(name)
        return override.limits if override else LimitsOverride()


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One planned time: ``slot`` of ``helper``, due at ``due_ms``; ``mark`` as people left it."""

    helper: str
    slot: str
    due_ms: int
    mark: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Catalogue and plan; they live in shard 0.

    Args:
        client: Redis.
        keys: Shard 0's.
        signatures: Checks what writers of specs and overrides signed.
    """

    client: Client
    keys: Keys
    signatures: Signatures
    #: By purpose: what the last reading decoded, with the bytes that it is of. Checking and decoding a thousand takes
    #: 15 ms, looking whether their bytes are the same next to nothing.
    _decoded: dict[str, dict[bytes, tuple[bytes, Any]]] = field(default_factory=dict, compare=False, repr=False)
    #: What was read last, what was made of it, and when, monotonic seconds; at most one.
    _last: list[tuple[list[Any], Snapshot, float]] = field(default_factory=list, compare=False, repr=False)
    #: Held while `current` reads: who asks meanwhile waits for that instead of reading it too.
    _reading: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def revision(self) -> int:
        """Return the number that every change of the catalogue raises."""
        with store_errors():
            return int(self.client.get(self.keys.at("rev")) or 0)

    def read(self) -> Snapshot:
        """Return the catalogue with the planner's state, of one moment; see `current`, which costs less."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=True)
            pipeline.get(self.keys.at("rev"))
            for name in ("catalogue", "overrides", "planned"):
                pipeline.hgetall(self.keys.at(name))
            raws = pipeline.execute()
        snapshot = next((made for before, made, _ in self._last[:1] if before == raws), None) or self._make(*raws)
        self._last[:] = [(raws, snapshot, time.monotonic())]
        return snapshot

    def current(self) -> Snapshot:
        """Return the catalogue as it is now, but for `CatalogueRow.planned`, which may be older.

        Ten thousand helpers are megabytes: they are read only if the revision, or how many there are, has changed.
        """
        known = self._unchanged()
        if known is None:
            with self._reading:
                known = self._unchanged() or self.read()
        return known

    def _unchanged(self) -> Snapshot | None:
        """Return what was read last, if it is the catalogue still."""
        last = self._last[:1]
        if not last or time.monotonic() - last[0][2] > _BELIEVES_S:
            return None
        (_, specs, overrides, _), known, _ = last[0]
        with store_errors():
            pipeline = self.client.pipeline(transaction=True)
            pipeline.get(self.keys.at("rev"))
            pipeline.hlen(self.keys.at("catalogue"))
            pipeline.hlen(self.keys.at("overrides"))
            revision, *counts = pipeline.execute()
        return known if int(revision or 0) == known.revision and counts == [len(specs), len(overrides)] else None

    def _make(
        self,
        revision: bytes | None,
        raw_specs: Mapping[bytes, bytes],
        raw_overrides: Mapping[bytes, bytes],
        planned: Mapping[bytes, bytes],
    ) -> Snapshot:
        unreadable: dict[str, str] = {}
        specs = self._decode(raw_specs, SPEC, spec_from_document, unreadable)
        overrides = self._decode(raw_overrides, OVERRIDE, override_from_document, unreadable)
        rows = {}
        for helper in sorted({*specs, *overrides} - unreadable.keys()):
            override = overrides.get(helper)
            try:
                spec = resolve_spec(helper, specs, override)
            except UsageError as error:
                unreadable[helper] = str(error)
                continue
            if spec is not None:
                state = planned.get(helper.encode(), b"").decode()
                rows[helper] = CatalogueRow(helper, spec, specs.get(helper), override, state)
        return Snapshot(int(revision or 0), rows, unreadable, overrides)

    def signed_entries(self) -> tuple[int, list[tuple[str, str, bytes]]]:
        """Return the revision, and each spec and override as it is stored: purpose, helper, signed text."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=True)
            pipeline.get(self.keys.at("rev"))
            pipeline.hgetall(self.keys.at("catalogue"))
            pipeline.hgetall(self.keys.at("overrides"))
            revision, *both = pipeline.execute()
        named = zip((SPEC, OVERRIDE), both, strict=True)
        entries = [(purpose, key.decode(errors="replace"), raw) for purpose, raws in named for key, raw in raws.items()]
        return int(revision or 0), entries

    def next_due(self, helpers: Collection[str] | None = None) -> dict[str, int]:
        """Return the next due time (ms) of every helper that has one, or of these."""
        if helpers is None:
            return dict(self.first_due())
        names = list(helpers)
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            for name in names:
                pipeline.zscore(self.keys.at("plan"), name)
            scores = pipeline.execute()
        return {name: int(due) for name, due in zip(names, scores, strict=True) if due is not None}

    def first_due(self, most: int | None = None) -> list[tuple[str, int]]:
        """Return the first ``most`` helpers of the plan, or all, with their next due time (ms): the first first."""
        with store_errors():
            rows = self.client.zrange(self.keys.at("plan"), 0, -1 if most is None else most - 1, withscores=True)
        return [(helper.decode(), int(due)) for helper, due in rows]

    def plan_of(self, helpers: Iterable[str], *, until_ms: int | None = None) -> list[PlannedRow]:
        """Return the planned times of these helpers, by due time; with ``until_ms`` those due by then."""
        names = list(helpers)
        last = "+inf" if until_ms is None else until_ms
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            for name in names:
                pipeline.zrangebyscore(self.keys.at("plan", name), "-inf", last, withscores=True)
                pipeline.hgetall(self.keys.at("marks", name))
            answers = pipeline.execute()
        rows = [
            PlannedRow(name, slot.decode(), int(due), answers[2 * i + 1].get(slot, b"").decode())
            for i, name in enumerate(names)
            for slot, due in answers[2 * i]
        ]
        return sorted(rows, key=lambda row: row.due_ms)

    def count_planned(self, helpers: Iterable[str]) -> int:
        """Return how many due times these helpers have in the plan."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            for helper in helpers:
                pipeline.zcard(self.keys.at("plan", helper))
            return sum(pipeline.execute())

    def schedulers(self) -> dict[str, int]:
        """Return when each scheduler was last heard of, ms."""
        with store_errors():
            rows = self.client.zrange(self.keys.at("schedulers"), 0, -1, withscores=True)
        return {name.decode(): int(at) for name, at in rows}

    def lost_schedulers(self, *, since_ms: int, until_ms: int) -> list[str]:
        """Return the schedulers that fell silent in that time and weren't stopped."""
        with store_errors():
            pipeline = self.client.pipeline(transaction=False)
            pipeline.zrangebyscore(self.keys.at("schedulers"), since_ms, until_ms)
            pipeline.zrange(self.keys.at("stopped"), 0, -1)
            silent, stopped = pipeline.execute()
        return [name.decode() for name in silent if name not in set(stopped)]

    def note_stopped(self, scheduler: str, *, now_ms: int) -> None:
        """Note that a scheduler stops, and so isn't lost when it is silent."""
        with store_errors():
            self.client.zadd(self.keys.at("stopped"), {scheduler: now_ms})
            self.client.zremrangebyrank(self.keys.at("stopped"), 0, -101)

    def forget_schedulers(self, *, before_ms: int) -> None:
        """Drop schedulers that weren't heard of since."""
        with store_errors():
            self.client.zremrangebyscore(self.keys.at("schedulers"), "-inf", before_ms)

    def _decode(
        self,
        raws: Mapping[bytes, bytes],
        purpose: str,
        decode: Callable[[Mapping[str, object]], T],
        unreadable: dict[str, str],
    ) -> dict[str, T]:
        decoded: dict[str, T] = {}
        known, seen = self._decoded.get(purpose, {}), {}
        for key, raw in raws.items():
            before = known.get(key)
            try:
                helper = key.decode()
                if before is None or before[0] != raw:
                    before = raw, decode(orjson.loads(self.signatures.check_text(purpose, helper, raw)))
                seen[key] = before
                decoded[helper] = before[1]
            except UntrustedRecord as error:
                unreadable[key.decode(errors="replace")] = f"its {purpose} isn't trusted. {error.message}"
            except (UsageError, KeyError, TypeError, ValueError, AttributeError) as error:
                # One broken entry must not cost the others; doctor shows it.
                unreadable[key.decode(errors="replace")] = f"{type(error).__name__}: {error}"
        self._decoded[purpose] = seen
        return decoded
