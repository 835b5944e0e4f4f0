"""The hub in figures for monitoring. All come from Redis: any number of web processes tell the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import add

from helperhub import __version__
from helperhub.errors import StoreError
from helperhub.model.alert import AlertRule
from helperhub.store.catalogue import Catalogue
from helperhub.store.figures import QueueFigures, ShardFigures, read_figures
from helperhub.store.schema import SILENT_MS
from helperhub.store.scripts import Scripts
from helperhub.store.times import STEPS_MS
from helperhub.store.workers import Workers
from helperhub.telemetry.metrics import Samples, Spread, write_metrics

#: Queues are named by whoever enqueues: their number must not make a page that nobody can read.
MOST_QUEUES = 100
_STEPS_S = tuple(step / 1000 for step in STEPS_MS)
_STATES: tuple[tuple[str, Callable[[QueueFigures], int]], ...] = (
    ("ready", lambda one: one.stats.ready),
    ("delayed", lambda one: one.stats.delayed),
    ("parked", lambda one: one.stats.parked),
    ("limited", lambda one: one.stats.limited),
    ("running", lambda one: one.stats.running),
)
_STATUSES = ("success", "error", "expired", "cancelled", "skipped")
_Gathered = defaultdict[str, dict[tuple[str, ...], float | Spread]]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is measured.

    Args:
        scripts: The store.
        catalogue: For the schedulers.
        workers: The worker registry.
        firing: Tells how many alerts fire, by rule.
    """

    scripts: Scripts
    catalogue: Catalogue
    workers: Workers
    firing: Callable[[], Mapping[AlertRule, int]]

    def write(self) -> bytes:
        """Return everything in Prometheus's text format; of a shard that is away, that it is."""
        return write_metrics(self.read())

    def read(self) -> Samples:
        """Return the value of each metric by its labels; counters of a shard that is away are missing."""
        found: _Gathered = defaultdict(dict)
        found["helperhub_build_info"][__version__,] = 1
        shards: list[ShardFigures | None] = []
        for number, part in enumerate(self.scripts.each):
            figures = _try_to_read(part)
            shards.append(figures)
            found["helperhub_redis_up"][str(number),] = int(figures is not None)
            if figures is not None:
                found["helperhub_redis_memory_used_bytes"][str(number),] = figures.memory_used
                found["helperhub_redis_memory_max_bytes"][str(number),] = figures.memory_max
                found["helperhub_history_bytes"][str(number),] = figures.history_bytes
        there = [figures for figures in shards if figures is not None]
        # A sum that lacks a shard would look like a counter that began anew.
        if len(there) == len(shards):
            _add_queues(found, there)
            found["helperhub_dead_letters"][()] = sum(figures.dead for figures in there)
        if shards[0] is not None:
            self._add_hub(found, shards[0])
        return found

    def _add_hub(self, found: _Gathered, first: ShardFigures) -> None:
        try:
            schedulers, workers, firing = self.catalogue.schedulers(), self.workers.all(), self.firing()
        except StoreError:  # it went away between two questions
            found["helperhub_redis_up"]["0",] = 0
            return
        heard = [at for at in schedulers.values() if at > first.now_ms - SILENT_MS]
        # Only shard 0's server may be asked for `lag`: what is planned is compared with its clock.
        lag = max(0, first.now_ms - first.next_due_ms) / 1000 if first.next_due_ms else 0.0
        found["helperhub_alerts_firing"] = {(rule.value,): count for rule, count in firing.items()}
        counted = Counter(str(state.to_document()["status"]) for state in workers)
        for status in ("idle", "busy", "suspended"):
            found["helperhub_workers"][status,] = counted[status]
        for name, value in (
            ("worker_threads", sum(int(state.about.get("threads", 0)) for state in workers)),
            ("schedulers", len(heard)),
            ("scheduler_last_seen_timestamp_seconds", max(schedulers.values(), default=0) / 1000),
            ("schedule_lag_seconds", lag),
            ("helpers_registered", first.registered),
            ("helpers_scheduled", first.scheduled),
            ("helpers_planned", first.planned),
        ):
            found[f"helperhub_{name}"][()] = value


def _try_to_read(part: Scripts) -> ShardFigures | None:
    try:
        return read_figures(part.client, part.keys)
    except StoreError:  # `helperhub_redis_up` says so
        return None


def _add_queues(found: _Gathered, shards: Iterable[ShardFigures]) -> None:
    by_name: defaultdict[str, list[QueueFigures]] = defaultdict(list)
    for figures in shards:
        for one in figures.queues:
            by_name[one.stats.name].append(one)
    enqueued = {name: sum(one.stats.totals["enqueued"] for one in parts) for name, parts in by_name.items()}
    # Counters only grow: who is among the first today was it, or takes somebody's place for good.
    named = sorted(by_name, key=lambda name: (-enqueued[name], name))[:MOST_QUEUES]
    found["helperhub_queues_left_out"][()] = len(by_name) - len(named)
    for name in sorted(named):
        _add_queue(found, name, by_name[name])


def _add_queue(found: _Gathered, name: str, parts: Sequence[QueueFigures]) -> None:
    totals = Counter[str]()
    for one in parts:
        totals.update(one.stats.totals)
    found["helperhub_executions_enqueued_total"][name,] = totals["enqueued"]
    found["helperhub_attempts_started_total"][name,] = totals["started"]
    found["helperhub_attempts_retried_total"][name,] = totals["retried"]
    for status in _STATUSES:
        found["helperhub_executions_finished_total"][name, status] = totals[status]
    for state, read in _STATES:
        found["helperhub_queue_executions"][name, state] = sum(read(one) for one in parts)
    found["helperhub_queue_paused"][name,] = int(any(one.stats.paused for one in parts))
    found["helperhub_queue_oldest_ready_seconds"][name,] = max(one.oldest_ready_ms for one in parts) / 1000
    waited, ran = _sum(one.waited for one in parts), _sum(one.ran for one in parts)
    found["helperhub_attempt_wait_seconds"][name,] = Spread(_STEPS_S, waited, sum(one.wait_ms for one in parts) / 1000)
    found["helperhub_attempt_run_seconds"][name,] = Spread(_STEPS_S, ran, sum(one.run_ms for one in parts) / 1000)


def _sum(many: Iterable[Sequence[int]]) -> list[int]:
    total = [0] * (len(STEPS_MS) + 1)
    for one in many:
        total = list(map(add, total, one))
    return total
