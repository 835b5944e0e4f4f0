"""Gathers what the rules judge. What was seen is remembered, so that a turn costs what is new, not what there is."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from helperhub.errors import StoreError
from helperhub.model.alert import AlertRule
from helperhub.model.duration import to_ms
from helperhub.services.alert_absence import Absences
from helperhub.services.alert_rules import Facts, QueueFact, RunningFact, Thresholds
from helperhub.store.catalogue import Catalogue, Snapshot
from helperhub.store.figures import ShardFigures, read_figures
from helperhub.store.scripts import Scripts
from helperhub.store.watching import Watching

_log = logging.getLogger("helperhub.alerts")
#: What died or fell silent within this is told of.
LOST_WITHIN = timedelta(minutes=10)
#: A scheduler looks at the plan several times a second.
_SILENT_MS = 15_000
_MOST_ENDS = 2000
_MOST_DEAD = 1000
#: What the rules need that is asked of every shard.
_OF_SHARDS = frozenset(
    {
        *(AlertRule.DEPTH, AlertRule.FAILURES, AlertRule.DEAD_LETTERS, AlertRule.ABSENT),
        *(AlertRule.LATE, AlertRule.LONG, AlertRule.NEAR_LIMIT, AlertRule.NO_WORKER),
    }
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where facts come from.

    Args:
        scripts: The store.
        catalogue: Where schedulers are listed.
        snapshot: The catalogue as this process knows it, read anew only when it changed.
        time_limit_of: How long an attempt of a queue may take.
        keep_of: How long a queue's successes are kept.
        archive_lag: How far the archive is behind; None where there is none.
        timezone: Zone of schedules that name none.
        untold: Helpers that tell of alerts: their own failures raise none.
    """

    scripts: Scripts
    catalogue: Catalogue
    snapshot: Callable[[], Snapshot]
    time_limit_of: Callable[[str], timedelta]
    keep_of: Callable[[str], timedelta]
    archive_lag: Callable[[], timedelta | None]
    timezone: str
    untold: frozenset[str] = frozenset()


@dataclass(slots=True)
class Watcher:
    """Looks at the hub turn by turn.

    Args:
        sources: Where facts come from.
        window: Failures and dead letters count for so long.
    """

    sources: Sources
    window: timedelta
    _places: list[dict[str, str]] = field(default_factory=list)
    _failed: deque[tuple[int, str]] = field(default_factory=deque)
    _dead_of: dict[str, str] = field(default_factory=dict)
    _absences: Absences | None = None

    def look(self, thresholds: Thresholds) -> tuple[int, Facts]:
        """Return Redis TIME in ms, and the facts.

        Raises:
            StoreError: Shard 0 can't be asked.
        """
        scripts = self.sources.scripts
        shards = [Watching(part.client, part.keys) for part in scripts.each]
        figures = [_try_figures(part) for part in scripts.each]
        now_ms = scripts.due(limit=1).now_ms
        facts = Facts(
            workers=shards[0].claiming(now_ms),
            lost_workers=_by_host(shards[0].lost_workers(now_ms - to_ms(LOST_WITHIN))),
            lost_schedulers=self._lost_schedulers(now_ms),
            overdue={helper: (now_ms - due) / 1000 for helper, due in shards[0].overdue(now_ms).items()},
            archive_lag_s=_seconds(self.sources.archive_lag()),
            memory={str(number): share for number, one in enumerate(figures) if (share := _memory(one)) is not None},
        )
        there = [one for one in figures if one is not None]
        if len(there) < len(figures):
            # A part of the truth would look like something being over.
            return now_ms, replace(facts, unseen=_OF_SHARDS)
        queues = _queues(there)
        names = [queue.name for queue in queues]
        failures, complete = self._failures(shards, names, now_ms)
        missing, unjudged = self._absent(shards, thresholds, now_ms)
        return now_ms, replace(
            facts,
            queues=queues,
            failures=failures,
            dead=self._dead(shards, now_ms),
            absent=missing,
            running=self._running(shards, now_ms),
            unseen=frozenset() if complete else frozenset({AlertRule.FAILURES}),
            unjudged=unjudged,
        )

    def _lost_schedulers(self, now_ms: int) -> dict[str, int]:
        until_ms = now_ms - _SILENT_MS
        since_ms = until_ms - to_ms(LOST_WITHIN)
        return _by_host(self.sources.catalogue.lost_schedulers(since_ms=since_ms, until_ms=until_ms))

    def _failures(self, shards: Sequence[Watching], queues: Sequence[str], now_ms: int) -> tuple[dict[str, int], bool]:
        """Return failures of the window by helper, and whether all are known by now."""
        since_ms, complete = now_ms - to_ms(self.window), True
        while len(self._places) < len(shards):
            self._places.append({})
        for shard, places in zip(shards, self._places, strict=True):
            read = shard.ends(queues, places, since_ms=since_ms, limit=_MOST_ENDS)
            complete = complete and read.complete
            records = shard.records([id_ for _, id_ in read.ends])
            for at, id_ in read.ends:
                record = records.get(id_)
                if record is not None and record.status == "e" and record.helper not in self.sources.untold:
                    self._failed.append((at, record.helper))
        while self._failed and self._failed[0][0] < since_ms:
            self._failed.popleft()
        return dict(Counter(helper for at, helper in self._failed if at >= since_ms)), complete

    def _dead(self, shards: Sequence[Watching], now_ms: int) -> dict[str, int]:
        """Return how many dead letters of the window are still there, by helper."""
        since_ms = now_ms - to_ms(self.window)
        found: dict[str, str] = {}
        for shard in shards:
            ids = shard.dead_since(since_ms, limit=_MOST_DEAD)
            new = shard.records([id_ for id_ in ids if id_ not in self._dead_of])
            self._dead_of |= {id_: record.helper for id_, record in new.items()}
            # What can't be decoded is nobody's, and a dead letter all the same.
            found |= {id_: self._dead_of.get(id_, "unreadable") for id_ in ids}
        self._dead_of = {id_: helper for id_, helper in self._dead_of.items() if id_ in found}
        return dict(Counter(helper for helper in found.values() if helper not in self.sources.untold))

    def _absent(
        self, shards: Sequence[Watching], thresholds: Thresholds, now_ms: int
    ) -> tuple[dict[str, float], frozenset[str]]:
        if self._absences is None:
            self._absences = Absences(shards, self.sources.timezone, self.sources.keep_of)
        return self._absences.look(self.sources.snapshot().rows, thresholds, now_ms=now_ms)

    def _running(self, shards: Sequence[Watching], now_ms: int) -> list[RunningFact]:
        rows = self.sources.snapshot().rows
        found = []
        for shard in shards:
            for id_, record in shard.records(shard.in_hand()).items():
                if record.status != "r" or not record.started_ms or record.helper in self.sources.untold:
                    continue
                row = rows.get(record.helper)
                own = row.spec.time_limit if row else None
                limit = own or self.sources.time_limit_of(record.queue)
                ran_s = (now_ms - record.started_ms) / 1000
                found.append(RunningFact(id_, record.helper, ran_s, limit.total_seconds()))
        return found


def _try_figures(part: Scripts) -> ShardFigures | None:
    try:
        return read_figures(part.client, part.keys)
    except StoreError as error:
        _log.debug("alert_shard_away", extra={"error": str(error)})
        return None


def _queues(shards: Sequence[ShardFigures]) -> list[QueueFact]:
    """Return the queues of all shards together."""
    found: dict[str, QueueFact] = {}
    for figures in shards:
        for one in figures.queues:
            stats = one.stats
            before = found.get(stats.name, QueueFact(stats.name, 0, 0.0))
            found[stats.name] = QueueFact(
                stats.name,
                before.waiting + stats.ready + stats.parked + stats.limited,
                max(before.oldest_s, one.oldest_ready_ms / 1000),
                before.paused or stats.paused,
            )
    return list(found.values())


def _memory(figures: ShardFigures | None) -> float | None:
    return figures.memory_used / figures.memory_max if figures is not None and figures.memory_max else None


def _by_host(ids: Iterable[str]) -> dict[str, int]:
    """Return how many there are of each host; an id is ``host:pid:chance``."""
    return dict(Counter(id_.rsplit(":", 2)[0] for id_ in ids))


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
