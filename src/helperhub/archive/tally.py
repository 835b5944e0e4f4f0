"""Counts and times of what ended, by helper, queue, hour, day and week: small rows that outlive the executions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from helperhub.archive.rows import Ended, Row, metadata_value
from helperhub.archive.tables import OUTCOMES, executions
from helperhub.model.execution import Execution, Status
from helperhub.model.histogram import Histogram, add_to, count_in, dump_histogram, load_histogram
from helperhub.model.span import HOUR_MS, LENGTHS_MS, floor_to

#: Of a helper that reports totals, at most so many names are summed.
MOST_TOTALS = 50
#: What a single result reports beyond this, either way, is a mistake, and isn't summed.
_MOST = 1e15
_MOST_EXACT = 2**53
#: Where a row of `tables.executions` has what is summed. By place: all that ends comes through here.
_PLACES = {column.name: place for place, column in enumerate(executions.columns)}
_STATUS = _PLACES["status"]
_WHOSE = slice(_PLACES["helper"], _PLACES["queue"] + 1)
_TIMES = slice(_PLACES["due_ms"], _PLACES["finished_ms"] + 1)


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

    def add(self, row: Row, one: Execution) -> None:
        """Count one execution; times are taken from its row, where they are ms already."""
        self.counts[row[_STATUS]] += one.count
        if one.delivery > 1 or one.attempt > 1:
            self.retries += max(0, one.attempt - 1)
            self.redeliveries += max(0, one.delivery - one.attempt)
        due_ms, enqueued_ms, started_ms, finished_ms = row[_TIMES]
        if started_ms is not None and finished_ms is not None:
            # An execution that was enqueued late hadn't waited before.
            asked_ms = max(due_ms or 0, enqueued_ms or 0) or started_ms
            waited_ms, ran_ms = max(0, started_ms - asked_ms), max(0, finished_ms - started_ms)
            self.waited_ms += waited_ms
            self.ran_ms += ran_ms
            count_in(self.waits, waited_ms)
            count_in(self.runs, ran_ms)
        if isinstance(one.result, Mapping) and one.status is Status.SUCCESS:
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
        for name, total in other.totals.items():
            self._add_total(name, total)

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
        """Add what a result reports, as far as it is numbers."""
        if not isinstance(totals, Mapping):
            return
        for name, number in totals.items():
            # The comparison is also false of what is no number at all, NaN.
            if isinstance(number, int | float) and not isinstance(number, bool) and -_MOST <= number <= _MOST:
                self._add_total(metadata_value(name), number)

    def _add_total(self, name: str, number: float) -> None:
        if name in self.totals or len(self.totals) < MOST_TOTALS:
            total = self.totals.get(name, 0) + number
            # JSON holds whole numbers of 64 bits; above 53 the sum is right to 16 digits.
            self.totals[name] = total if -_MOST_EXACT <= total <= _MOST_EXACT else float(total)


def tally(rows: Iterable[Row], ended: Iterable[Ended]) -> dict[Period, Tally]:
    """Return what ended by hour, day and week, helper and queue; ``rows`` are those of ``ended``, in turn."""
    hours: dict[Period, Tally] = {}
    found: dict[tuple[int, Row], Tally] = {}
    for row, (recorded_ms, execution) in zip(rows, ended, strict=True):
        known = recorded_ms // HOUR_MS, row[_WHOSE]
        if (sums_of := found.get(known)) is None:
            helper, instance, queue = known[1]
            sums_of = found[known] = _at(hours, Period("hour", known[0] * HOUR_MS, helper, instance, queue))
        sums_of.add(row, execution)
    # Each execution is counted once, and the longer periods are summed from the hours: they are few.
    sums = dict(hours)
    for key, hour in hours.items():
        for period, length_ms in LENGTHS_MS.items():
            if period != "hour":
                _at(sums, key._replace(period=period, start_ms=floor_to(key.start_ms, length_ms))).merge(hour)
    return sums


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
