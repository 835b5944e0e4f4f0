"""What ``/metrics`` offers, and how it is written: the only module that knows Prometheus.

The table is a contract: dashboards and alert rules name what stands in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

#: The text format's name and version, which Prometheus and its kin all read.
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


@dataclass(frozen=True, slots=True)
class Described:
    """One metric.

    Args:
        name: Its name.
        kind: What it is to Prometheus.
        help: One line for people.
        labels: Its labels.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    def build(self) -> Family:
        """Return an empty family of it."""
        build = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
        family: Family = build[self.kind](self.name, self.help, labels=self.labels)
        return family


@dataclass(frozen=True, slots=True)
class Spread:
    """What one histogram has seen.

    Args:
        steps: Upper ends, ascending.
        counts: How many were within each, and above the last.
        total: Sum of all.
    """

    steps: Sequence[float]
    counts: Sequence[int]
    total: float

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many there were up to each upper end."""
        found, so_far = [], 0
        for end, count in zip((*(repr(float(step)) for step in self.steps), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((end, float(so_far)))
        return found


_QUEUE, _SHARD = ("queue",), ("shard",)
METRICS = (
    Described("helperhub_build_info", "gauge", "1, with the release that answers.", ("version",)),
    Described("helperhub_redis_up", "gauge", "Whether the server of a shard answers: 1 or 0.", _SHARD),
    Described("helperhub_redis_memory_used_bytes", "gauge", "Memory that a shard's server uses.", _SHARD),
    Described("helperhub_redis_memory_max_bytes", "gauge", "Its maxmemory; 0 means not bounded.", _SHARD),
    Described("helperhub_history_bytes", "gauge", "Memory that finished executions' records hold.", _SHARD),
    Described("helperhub_executions_enqueued_total", "counter", "Executions that were enqueued.", _QUEUE),
    Described(
        "helperhub_executions_finished_total",
        "counter",
        "Executions by their final state: success, error, expired, cancelled or skipped.",
        ("queue", "status"),
    ),
    Described("helperhub_attempts_started_total", "counter", "Attempts that started and have an outcome.", _QUEUE),
    Described("helperhub_attempts_retried_total", "counter", "Attempts that another one follows.", _QUEUE),
    Described("helperhub_attempt_wait_seconds", "histogram", "From due to the start of an attempt.", _QUEUE),
    Described("helperhub_attempt_run_seconds", "histogram", "From the start of an attempt to its outcome.", _QUEUE),
    Described(
        "helperhub_queue_executions",
        "gauge",
        "Executions that aren't over: ready, delayed, parked, limited or running.",
        ("queue", "state"),
    ),
    Described("helperhub_queue_paused", "gauge", "Whether nothing is claimed from a queue: 1 or 0.", _QUEUE),
    Described(
        "helperhub_queue_oldest_ready_seconds", "gauge", "For how long the first that could start is due.", _QUEUE
    ),
    Described("helperhub_queues_left_out", "gauge", "Queues without metrics here: beyond the 100 most used."),
    Described("helperhub_workers", "gauge", "Registered worker processes: idle, busy or suspended.", ("status",)),
    Described("helperhub_worker_threads", "gauge", "Threads of all registered worker processes."),
    Described("helperhub_schedulers", "gauge", "Schedulers that were heard of within 3 minutes."),
    Described(
        "helperhub_scheduler_last_seen_timestamp_seconds", "gauge", "When a scheduler was last heard of; 0 means never."
    ),
    Described("helperhub_schedule_lag_seconds", "gauge", "How late the most overdue entry of the plan is."),
    Described("helperhub_dead_letters", "gauge", "Executions that were given up, and nobody has cleared."),
    Described("helperhub_alerts_firing", "gauge", "Alerts that fire, acknowledged ones too.", ("rule",)),
    Described("helperhub_helpers_registered", "gauge", "Helpers and instances that plugins registered."),
    Described("helperhub_helpers_scheduled", "gauge", "Helpers and instances that are enabled and have a schedule."),
    Described("helperhub_helpers_planned", "gauge", "Helpers and instances with a due time in the plan."),
)

#: By metric: values by the values of its labels.
Samples = Mapping[str, Mapping[tuple[str, ...], float | Spread]]


class _Collector(Collector):
    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for described in METRICS:
            family = described.build()
            for labels, value in self._samples.get(described.name, {}).items():
                if isinstance(value, Spread):
                    assert isinstance(family, HistogramMetricFamily)  # noqa: S101 - for the type only
                    family.add_metric(labels, value.buckets(), value.total)
                else:
                    assert not isinstance(family, HistogramMetricFamily)  # noqa: S101 - as above
                    family.add_metric(labels, value)
            if family.samples:
                yield family


def write_metrics(samples: Samples) -> bytes:
    """Return ``samples`` in Prometheus's text format.

    Raises:
        ValueError: A name isn't in the table.
    """
    unknown = samples.keys() - {described.name for described in METRICS}
    if unknown:
        message = f"not in the table of metrics: {', '.join(sorted(unknown))}"
        raise ValueError(message)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(samples))
    return generate_latest(registry)
