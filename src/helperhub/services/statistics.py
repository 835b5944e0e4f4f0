"""Statistics over the archive: by helper, queue, hour and day, against the span before; for people and charts.

All figures are of executions by when they ended. Hours and days are those of UTC; only `hours` counts in a zone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from helperhub.archive.statistics import Key, RollupReader, Which
from helperhub.archive.tally import Tally
from helperhub.errors import Inapplicable, NotFound, UsageError
from helperhub.model.instant import epoch_ms, from_ms, to_rfc3339
from helperhub.model.span import LENGTHS_MS, Stretch, ceil_to, floor_to, split_span
from helperhub.schedules.zones import load_zone
from helperhub.services.figures import change_of, figures_of, flakiness

if TYPE_CHECKING:
    from helperhub.archive.database import Database

#: What is looked at unless the caller says since when.
USUAL_SPAN = timedelta(days=7)
#: Of a series, at most so many hours or days.
MOST_POINTS = 10_000
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HELPER = ("helper", "instance")


def _mean_run(tally: Tally) -> float:
    # Without the steps, how many ran is known only nearly.
    ran = sum(tally.runs.values()) or tally.counts["success"] + tally.counts["error"]
    return tally.ran_ms / ran if ran else 0.0


#: What helpers and queues are listed by, the largest first.
ORDERS: Mapping[str, Callable[[Tally], float]] = {
    "busiest": lambda tally: tally.total,
    "failing": lambda tally: tally.counts["error"] + tally.counts["expired"],
    "slowest": _mean_run,
    "flakiest": lambda tally: flakiness(tally) or 0.0,
    "costliest": lambda tally: tally.ran_ms,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What to look at.

    Args:
        since: From when on; None for 7 days before ``until``.
        until: Till when; None for now.
        which: Whose executions.
    """

    since: datetime | None = None
    until: datetime | None = None
    which: Which = field(default_factory=Which)


@dataclass(frozen=True, slots=True)
class View:
    """One moment of the archive, and the hours and days that were asked for.

    Args:
        reader: Reads the sums.
        stretches: The span, in whole hours or days.
        since_ms: Its first ms.
        until_ms: The first ms after it.
        which: Whose executions.
    """

    reader: RollupReader
    stretches: Sequence[Stretch]
    since_ms: int
    until_ms: int
    which: Which

    def sums(self, *by: str) -> dict[Key, Tally]:
        """See `RollupReader.sums`."""
        return self.reader.sums(self.stretches, self.which, *by)

    def add_times(self, tallies: dict[Key, Tally], *by: str) -> None:
        """See `RollupReader.add_times`."""
        if tallies:
            self.reader.add_times(self.stretches, self.which, tallies, *by)

    def whole(self) -> Tally:
        """Return the sum of everything."""
        found = self.sums() or {(): Tally()}
        self.add_times(found)
        return found[()]

    def top(self, *by: str, order: str, limit: int, at_least: int) -> list[tuple[Key, Tally]]:
        """Return the first of an order, the largest first, with their times.

        Args:
            by: Columns that make a row.
            order: One of `ORDERS`.
            limit: At most so many.
            at_least: Leave out what ended less often.
        """
        score = ORDERS[order]
        found = {key: one for key, one in self.sums(*by).items() if one.total >= max(1, at_least)}
        # More than are wanted: the mean is exact only with the steps, which are read for these.
        near = heapq.nlargest(limit + 50, found, key=lambda key: (score(found[key]), key))
        chosen = {key: found[key] for key in (near if order == "slowest" else near[:limit])}
        self.add_times(chosen, *by)
        ranked = sorted(chosen, key=lambda key: key)
        ranked.sort(key=lambda key: score(chosen[key]), reverse=True)
        return [(key, chosen[key]) for key in ranked[:limit] if score(chosen[key]) > 0]

    def document(self) -> dict[str, Any]:
        """Return the span as documents begin with it."""
        return {"since": to_rfc3339(from_ms(self.since_ms)), "until": to_rfc3339(from_ms(self.until_ms))}


@dataclass(frozen=True, slots=True)
class Statistics:
    """Answers what happened over a span.

    Args:
        database: Opens the archive; None where there is none.
        now: This machine's time; only for spans that end now.
    """

    database: Callable[[], Database | None]
    now: Callable[[], datetime]

    def summary(self, wish: Wish) -> dict[str, Any]:
        """Return all executions of a span together, beside those of the span before, of the same length.

        Raises:
            Inapplicable: The span is none.
            NotFound: There is no archive.
            ArchiveError: It can't be read.
        """
        with self.view(wish) as view:
            length = view.until_ms - view.since_ms
            before = self._view(view.reader, view.since_ms - length, view.since_ms, wish.which)
            now_figures, before_figures = figures_of(view.whole()), figures_of(before.whole())
            return {
                **view.document(),
                "now": now_figures,
                "before": before_figures,
                "change": change_of(now_figures, before_figures),
            }

    def helpers(self, wish: Wish, *, order: str = "busiest", limit: int = 50, at_least: int = 1) -> dict[str, Any]:
        """Return helpers and instances with their figures, the first ``limit`` of an order; raises as `summary`.

        Args:
            wish: Which span, whose executions.
            order: One of `ORDERS`.
            limit: At most so many.
            at_least: Leave out what ended less often.
        """
        with self.view(wish) as view:
            found = view.top(*_HELPER, order=check_order(order), limit=limit, at_least=at_least)
            rows = [{"helper": name_of(key), **figures_of(one)} for key, one in found]
            return {**view.document(), "order": order, "helpers": rows}

    def queues(self, wish: Wish, *, order: str = "busiest", limit: int = 50) -> dict[str, Any]:
        """Return queues with their figures; see `helpers`."""
        with self.view(wish) as view:
            found = view.top("queue", order=check_order(order), limit=limit, at_least=1)
            rows = [{"queue": key[0], **figures_of(one)} for key, one in found]
            return {**view.document(), "order": order, "queues": rows}

    def hours(self, wish: Wish, *, timezone: str = "UTC", limit: int = 10) -> dict[str, Any]:
        """Return how many executions ended in each hour of the week, in a zone, and the busiest of these hours.

        Hours are kept 90 days: of a longer span, what is older doesn't count, and ``since`` says so.

        Raises:
            Inapplicable: The span is none.
            UsageError: There is no such zone.
            NotFound: There is no archive.
            ArchiveError: It can't be read.
        """
        zone = load_zone(timezone)
        with self.view(wish) as view:
            complete_ms = view.reader.hours_since_ms()
            since = max(view.since_ms, view.until_ms if complete_ms is None else complete_ms)
            one = View(view.reader, [Stretch("hour", since, view.until_ms)], since, view.until_ms, wish.which)
            counts = [[0] * 24 for _ in WEEKDAYS]
            for (start_ms,), tally in one.sums("start_ms").items():
                local = from_ms(start_ms).astimezone(zone)
                counts[local.weekday()][local.hour] += tally.total
            return {**one.document(), "timezone": timezone, "counts": counts, "busiest": busiest_of(counts, limit)}

    def series(self, wish: Wish, *, by: str = "day", times: bool = False) -> dict[str, Any]:
        """Return figures hour by hour or day by day as arrays, for charts; where nothing ended, zeros.

        Args:
            wish: Which span, whose executions.
            by: ``hour`` or ``day``, of UTC.
            times: Also mean and p95 of wait and run, None where nothing ran: reads much more if it is of many helpers.

        Raises:
            Inapplicable: The span is none, or has too many hours or days.
            NotFound: There is no archive.
            ArchiveError: It can't be read.
        """
        if by not in ("hour", "day"):
            message = f"A series is by hour or by day, not by '{by}'."
            raise UsageError(message)
        with self.view(wish) as view:
            length = LENGTHS_MS[by]
            since, until = floor_to(view.since_ms, length), ceil_to(view.until_ms, length)
            starts = range(since, until, length)
            if len(starts) > MOST_POINTS:
                message = f"Those are {len(starts)} {by}s; a series has {MOST_POINTS} at most."
                raise Inapplicable(message, hint="Take a shorter span, or days.")
            one = View(view.reader, [Stretch(by, since, until)], since, until, wish.which)
            found = one.sums("start_ms")
            if times:
                one.add_times(found, "start_ms")
            return {**one.document(), "by": by, **_arrays(starts, found, times=times)}

    @contextmanager
    def view(self, wish: Wish) -> Iterator[View]:
        """Yield one moment of the archive for what is wished; raises as `summary`."""
        until = wish.until or self.now()
        since = wish.since or until - USUAL_SPAN
        if since >= until:
            message = f"The span from {to_rfc3339(since)} to {to_rfc3339(until)} has no length."
            raise Inapplicable(message, hint="Begin before the end.")
        with self.reading() as reader:
            yield self._view(reader, epoch_ms(since), epoch_ms(until), wish.which)

    @contextmanager
    def reading(self) -> Iterator[RollupReader]:
        """Yield one moment of the archive.

        Raises:
            NotFound: There is no archive.
            ArchiveError: It can't be read.
        """
        database = self.database()
        if database is None:
            message = "This hub has no archive that could be asked."
            hint = "'helperhub up' makes one, or 'helperhub db upgrade'; HELPERHUB_ARCHIVE__ENABLED must be true."
            raise NotFound(message, hint=hint)
        with database.read() as connection:
            yield RollupReader(connection)

    def _view(self, reader: RollupReader, since_ms: int, until_ms: int, which: Which) -> View:
        stretches = split_span(since_ms, until_ms, hours_since_ms=reader.hours_since_ms())
        return View(reader, stretches, stretches[0].since_ms, stretches[-1].until_ms, which)


def check_order(order: str) -> str:
    """Return ``order``.

    Raises:
        UsageError: It is none of `ORDERS`.
    """
    if order not in ORDERS:
        message = f"'{order}' is no order."
        raise UsageError(message, hint=f"There are: {', '.join(ORDERS)}.")
    return order


def name_of(key: Key) -> str:
    """Return ``helper[/instance]``."""
    helper, instance = key
    return f"{helper}/{instance}" if instance else str(helper)


def busiest_of(counts: Sequence[Sequence[int]], limit: int) -> list[dict[str, Any]]:
    """Return the hours of the week in which most ended, the first ``limit``, from counts by weekday and hour."""
    hours = [(count, -day, -hour) for day, row in enumerate(counts) for hour, count in enumerate(row) if count]
    return [
        {"weekday": WEEKDAYS[-day], "hour": -hour, "executions": count}
        for count, day, hour in heapq.nlargest(limit, hours)
    ]


def _arrays(starts: Sequence[int], found: Mapping[Key, Tally], *, times: bool) -> dict[str, list[Any]]:
    none = Tally()
    tallies = [found.get((start,), none) for start in starts]
    arrays: dict[str, list[Any]] = {"start": [to_rfc3339(from_ms(start)) for start in starts]}
    arrays["executions"] = [one.total for one in tallies]
    arrays |= {name: [one.counts[name] for one in tallies] for name in none.counts}
    arrays["retries"] = [one.retries for one in tallies]
    arrays["worker_seconds"] = [one.ran_ms / 1000 for one in tallies]
    if times:
        shown = [figures_of(one) for one in tallies]
        for what in ("wait", "run"):
            for name in ("mean_ms", "p95_ms"):
                arrays[f"{what}_{name}"] = [one[what][name] for one in shown]
    return arrays


__all__ = ["ORDERS", "USUAL_SPAN", "WEEKDAYS", "Statistics", "View", "Wish", "busiest_of", "check_order", "name_of"]
