"""Reading the sums of hours and days: few rows each, whatever became of the executions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from helperhub.archive.database import Database
from helperhub.archive.rows import metadata_value
from helperhub.archive.tables import OUTCOMES, rollups
from helperhub.archive.tally import Tally
from helperhub.model.helper import split_key
from helperhub.model.histogram import Histogram
from helperhub.model.span import DAY_MS, Stretch, floor_to

Key = tuple[Any, ...]
_SUMS = ("retries", "redeliveries", "waited_ms", "ran_ms")
_NO_TOTALS = "{}"
#: Keys in one statement, at most; beyond that all rows are read.
_MOST_KEYS = 200


@dataclass(frozen=True, slots=True)
class Which:
    """Whose sums are wanted; what is None or empty doesn't count.

    Args:
        helper: ``helper`` with all its instances, or ``helper/instance``.
        queue: The queue.
        helpers: Only these, as a key is narrowed to them.
        queues: Only these, as a key is narrowed to them.
    """

    helper: str | None = None
    queue: str | None = None
    helpers: Collection[str] = ()
    queues: Collection[str] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what rows must fulfil."""
        found: list[ColumnElement[bool]] = []
        if self.helper is not None:
            found.append(_is_of(self.helper))
        if self.helpers:
            found += _are_of(self.helpers)
        if self.queue is not None:
            found.append(rollups.c.queue == metadata_value(self.queue))
        if self.queues:
            found.append(rollups.c.queue.in_(sorted(self.queues)))
        return found


class RollupReader:
    """Sums over stretches of hours and days.

    Args:
        connection: Sees one moment of the archive, see `Database.read`.
    """

    def __init__(self, connection: Connection) -> None:
        """Read from ``connection``."""
        self.connection = connection

    def hours_since_ms(self) -> int | None:
        """Return from when on all hours are there; 0 if none was ever removed, None if only days are left."""
        oldest_hour, oldest_day = self._first_ms("hour"), self._first_ms("day")
        if oldest_hour is None:
            return 0 if oldest_day is None else None
        # Whole days of hours are removed.
        since_ms = floor_to(oldest_hour, DAY_MS)
        return 0 if oldest_day is None or since_ms <= oldest_day else since_ms

    def _first_ms(self, period: str) -> int | None:
        oldest = select(rollups.c.start_ms).where(rollups.c.period == period).order_by(rollups.c.start_ms).limit(1)
        found = self.connection.execute(oldest).scalar()
        return None if found is None else int(found)

    def sums(self, stretches: Iterable[Stretch], which: Which, *by: str) -> dict[Key, Tally]:
        """Return counts and summed times by the named columns; without the steps of times, and without totals.

        Args:
            stretches: What is summed.
            which: Whose.
            by: Columns of `tables.rollups`, such as ``helper``, ``instance``; none for one sum, under ``()``.
        """
        columns = [rollups.c[name] for name in by]
        summed = [func.sum(rollups.c[name]) for name in (*OUTCOMES, *_SUMS)]
        found: dict[Key, Tally] = {}
        for stretch in stretches:
            rows = self.connection.execute(
                select(*columns, *summed).where(*_within(stretch), *which.conditions()).group_by(*columns)
            )
            for row in rows:
                key, numbers = tuple(row[: len(by)]), row[len(by) :]
                if numbers[0] is not None:  # the sum of no rows at all
                    found.setdefault(key, Tally()).merge(_read_sums(numbers))
        return found

    def add_times(self, stretches: Iterable[Stretch], which: Which, tallies: dict[Key, Tally], *by: str) -> int:
        """Add the steps of waits and runs to those tallies; return how many rows were read for it.

        Args:
            stretches: What is summed.
            which: Whose.
            tallies: By key, as `sums` returns them; others' rows are left.
            by: The columns of the keys.
        """
        columns = [rollups.c[name] for name in by]
        wanted = [*which.conditions(), *_among(by, tallies)]
        steps: dict[Key, tuple[dict[str, int], dict[str, int]]] = {key: ({}, {}) for key in tallies}
        read = 0
        for stretch in stretches:
            rows = self.connection.execute(
                select(rollups.c.waits, rollups.c.runs, *columns).where(*_within(stretch), *wanted)
            )
            for waits, runs, *rest in rows:
                read += 1
                into = steps.get(tuple(rest))
                if into is not None:
                    _add_steps(into[0], waits)
                    _add_steps(into[1], runs)
        for key, (waited, ran) in steps.items():
            tallies[key].waits = _by_number(waited)
            tallies[key].runs = _by_number(ran)
        return read

    def totals(self, stretches: Iterable[Stretch], which: Which) -> dict[str, dict[str, float]]:
        """Return what results reported under ``totals``, summed by helper and name."""
        found: dict[str, dict[str, float]] = {}
        columns = rollups.c.helper, rollups.c.totals
        for stretch in stretches:
            rows = self.connection.execute(
                select(*columns).where(*_within(stretch), *which.conditions(), rollups.c.totals != _NO_TOTALS)
            )
            for helper, text in rows:
                own = found.setdefault(helper, {})
                for name, number in orjson.loads(text).items():
                    own[name] = own.get(name, 0) + number
        return found


def count_rows(database: Database) -> int:
    """Return how many hours and days the archive holds, of all helpers and queues."""
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(rollups)).scalar_one())


def _is_of(helper: str) -> ColumnElement[bool]:
    # As it was written: what a database doesn't hold was replaced.
    name, instance = split_key(metadata_value(helper))
    if instance is None:
        return rollups.c.helper == name
    return and_(rollups.c.helper == name, rollups.c.instance == instance)


def _are_of(helpers: Collection[str]) -> list[ColumnElement[bool]]:
    # First by name alone: for that there is an index, which spares reading the rows of all others.
    names = {split_key(metadata_value(helper))[0] for helper in helpers}
    found: list[ColumnElement[bool]] = [rollups.c.helper.in_(sorted(names))]
    if any(split_key(helper)[1] is not None for helper in helpers):
        found.append(or_(*(_is_of(helper) for helper in sorted(helpers))))
    return found


def _within(stretch: Stretch) -> list[ColumnElement[bool]]:
    start = rollups.c.start_ms
    return [rollups.c.period == stretch.period, start >= stretch.since_ms, start < stretch.until_ms]


def _among(by: Sequence[str], keys: Collection[Key]) -> list[ColumnElement[bool]]:
    """Return the condition that rows are of some helpers, where it spares reading the others'."""
    if "helper" not in by or len(keys) > _MOST_KEYS:
        return []
    place = by.index("helper")
    return [rollups.c.helper.in_(sorted({key[place] for key in keys}))]


def _read_sums(numbers: Sequence[Any]) -> Tally:
    # PostgreSQL's sums of bigint are numeric.
    counts, (retries, redeliveries, waited_ms, ran_ms) = numbers[: len(OUTCOMES)], map(int, numbers[len(OUTCOMES) :])
    return Tally(dict(zip(OUTCOMES, map(int, counts), strict=True)), retries, redeliveries, waited_ms, ran_ms)


def _add_steps(into: dict[str, int], text: str) -> None:
    # Steps stay texts till the end: of a year there are millions, of which a few hundred are different.
    for step, count in orjson.loads(text).items():
        into[step] = into.get(step, 0) + count


def _by_number(steps: dict[str, int]) -> Histogram:
    return {int(step): count for step, count in steps.items()}


__all__ = ["Key", "RollupReader", "Which", "count_rows"]
