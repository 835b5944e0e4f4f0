"""Sums over queues."""

from __future__ import annotations

from helperhub.services.overview import sum_queues
from helperhub.store.queues import QueueStats


def queue(name: str, *, started: int, wait_ms: float | None, **counts: int) -> QueueStats:
    totals = dict.fromkeys(("enqueued", "started", "retried", "success", "error", "expired", "cancelled", "skipped"), 0)
    totals |= {"started": started, "error": counts.pop("error", 0), "expired": counts.pop("expired", 0)}
    depths = dict.fromkeys(("ready", "delayed", "parked", "limited", "running"), 0) | counts
    return QueueStats(name, paused=False, totals=totals, mean_wait_ms=wait_ms, mean_run_ms=wait_ms, **depths)


def test_what_waits_is_counted_wherever_it_waits() -> None:
    found = sum_queues([queue("a", started=0, wait_ms=None, ready=1, delayed=2, parked=4, limited=8, running=16)])

    assert (found.waiting, found.running) == (15, 16)


def test_means_are_weighted_by_what_started() -> None:
    found = sum_queues([queue("a", started=1, wait_ms=10.0), queue("b", started=3, wait_ms=2.0)])

    assert found.mean_wait_ms == 4.0
    assert found.mean_run_ms == 4.0


def test_failed_are_those_given_up_and_those_whose_time_had_passed() -> None:
    assert sum_queues([queue("a", started=0, wait_ms=None, error=2, expired=3)]).failed == 5


def test_nothing_sums_up_to_nothing() -> None:
    found = sum_queues([])

    assert (found.waiting, found.running, found.failed, found.mean_wait_ms) == (0, 0, 0, 0.0)
