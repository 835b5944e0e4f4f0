"""Counts and times of what ended, by helper, queue, hour, day and week: small rows that outlive the executions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from helperhub.archive.rows import Ended, Row
from helperhub.archive.tables import OUTCOMES
from helperhub.model.execution import Status
from helperhub.model.helper import split_key
from helperhub.model.histogram import Histogram, add_to, dump_histogram, load_histogram, step_of
from helperhub.model.instant import epoch_ms
from helperhub.model.span import HOUR_MS, LENGTHS_MS, floor_to

#: Of a helper that reports totals, at most so many names are summed.
MOST_TOTALS = 50


class Period(NamedTuple):
    """What a row of `tables.rollups` is of: its key.

    Args:
        period: ``hour``, ``day`` or ``week``.
        start_ms: Its first ms.
        helper: The helper's name.
        instance: Its instance, or "".
        queue: The queue.
    """

    period: str
    start_ms: int
    helper: str
    instance: str
    queue: str


@dataclass(slots=True)
class Tally:
    """What is summed in one period.

    Args:
        counts: Executions by how they ended, identical skips each.
        retries: Attempts after the first.
        redeliveries: Hand-outs after the first that weren't retries.
        waited_ms: From when each was due, or enqueued if that was later, to its start; summed over those that started.
        ran_ms: From start to end, summed: worker time.
        waits: The same waits by steps, see `model.histogram`.
        runs: The same runs by steps.
        totals: Numbers that the helper's results report under ``totals``, summed by name.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    retries: int = 0
    redeliveries: int = 0
    waited_ms: int = 0
    ran_ms: int = 0
    waits: Histogram = field(default_factory=dict)
    runs: Histogram = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)

    def add(self, ended: Ended) -> None:
        """Count one execution."""
        one = ended.execution
        self.counts[one.status.value] += one.count
        self.retries += max(0, one.attempt - 1)
        self.redeliveries += max(0, one.delivery - one.attempt)
        if one.started_at is not None and one.finished_at is not None:
            started, finished = epoch_ms(one.started_at), epoch_ms(one.finished_at)
            asked = [epoch_ms(at) for at in (one.due_at, one.enqueued_at) if at is not None]
            waited, ran = max(0, started - max(asked, default=started)), max(0, finished - started)
            self.waited_ms += waited
            self.ran_ms += ran
            add_to(self.waits, {step_of(waited): 1})
            add_to(self.runs, {step_of(ran): 1})
        if one.status is Status.SUCCESS and isinstance(one.result, Mapping):
            self._add_totals(one.result.get("totals"))

    def merge(self, other: Tally) -> None:
        """Add what another has summed."""
        for name, count in other.counts.items():
            self.counts[name] += count
        self.retries += other.retries
        self.redeliveries += other.redeliveries
        self.waited_ms += other.waited_ms
        self.ran_ms += other.ran_ms
        add_to(self.waits, other.waits)
        add_to(self.runs, other.runs)
        self._add_totals(other.totals)

    @property
    def total(self) -> int:
        """How many executions ended."""
        return sum(self.counts.values())

    def row(self, period: Period) -> Row:
        """Return the row of `tables.rollups`."""
        counts = (self.counts[name] for name in OUTCOMES)
        sums = self.retries, self.redeliveries, self.waited_ms, self.ran_ms
        texts = dump_histogram(self.waits), dump_histogram(self.runs), orjson.dumps(self.totals).decode()
        return (*period, *counts, *sums, *texts)

    def _add_totals(self, totals: Any) -> None:
        if not isinstance(totals, Mapping):
            return
        for name, number in totals.items():
            known = name in self.totals or len(self.totals) < MOST_TOTALS
            if isinstance(number, int | float) and not isinstance(number, bool) and known:
                self.totals[name] = self.totals.get(name, 0) + number


def tally(rows: Iterable[Ended]) -> dict[Period, Tally]:
    """Return what ended by hour, day and week, helper and queue."""
    hours: dict[Period, Tally] = {}
    for ended in rows:
        helper, instance = split_key(ended.execution.helper)
        start_ms = floor_to(ended.recorded_ms, HOUR_MS)
        _at(hours, Period("hour", start_ms, helper, instance or "", ended.execution.queue)).add(ended)
    # Each execution is counted once, and the longer periods are summed from the hours: they are few.
    found = dict(hours)
    for key, one in hours.items():
        for period, length_ms in LENGTHS_MS.items():
            if period != "hour":
                _at(found, key._replace(period=period, start_ms=floor_to(key.start_ms, length_ms))).merge(one)
    return found


def _at(tallies: dict[Period, Tally], key: Period) -> Tally:
    one = tallies.get(key)
    if one is None:
        one = tallies[key] = Tally()
    return one


def read_period(row: Any) -> Period:
    """Return the key of a row of `tables.rollups`."""
    return Period(row.period, row.start_ms, row.helper, row.instance, row.queue)


def read_tally(row: Any) -> Tally:
    """Return what a row of `tables.rollups` has summed."""
    return Tally(
        {name: getattr(row, name) for name in OUTCOMES},
        row.retries,
        row.redeliveries,
        row.waited_ms,
        row.ran_ms,
        load_histogram(row.waits),
        load_histogram(row.runs),
        orjson.loads(row.totals),
    )


__all__ = ["Period", "Tally", "read_period", "read_tally", "tally"]
