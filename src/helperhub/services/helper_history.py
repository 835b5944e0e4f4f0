"""What became of one helper over months: each day's outcomes, and how long its executions ran; from the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from helperhub.archive.statistics import Which
from helperhub.model.histogram import Bar, bars_of
from helperhub.model.instant import parse_instant
from helperhub.services.figures import times_of
from helperhub.services.statistics import Statistics, Wish

#: Half a year, and what fits a phone.
WEEKS = 26
#: How far back run times are looked at.
RUN_SPAN = timedelta(days=30)
_BARS = 24


@dataclass(frozen=True, slots=True)
class Day:
    """What ended on one day of UTC.

    Args:
        day: Which.
        counts: How many, by outcome.
    """

    day: date
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many ended."""
        return sum(self.counts.values())

    @property
    def bad(self) -> int:
        """How many failed or expired."""
        return self.counts["error"] + self.counts["expired"]


@dataclass(frozen=True, slots=True)
class RunTimes:
    """How long executions ran.

    Args:
        since: Looked at from then on.
        times: ``mean_ms``, ``p50_ms``, ``p95_ms``, ``p99_ms``.
        bars: How many ran how long, the shortest first; percentiles and bars are right to 5 %.
    """

    since: datetime
    times: Mapping[str, float | None]
    bars: Sequence[Bar]


def days_of(statistics: Statistics, which: Which, *, weeks: int = WEEKS) -> list[Day]:
    """Return each day of the last weeks, from a Monday to today, the oldest first.

    Raises:
        NotFound: There is no archive.
        ArchiveError: It can't be read.
    """
    now = statistics.now()
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=today.weekday(), weeks=weeks - 1)
    series = statistics.series(Wish(datetime.combine(first, time(), UTC), now, which), by="day")
    outcomes = [name for name in ("success", "error", "expired", "cancelled", "skipped") if name in series]
    return [
        Day(parse_instant(start).date(), {name: series[name][at] for name in outcomes})
        for at, start in enumerate(series["start"])
    ]


def run_times_of(statistics: Statistics, which: Which) -> RunTimes:
    """Return how long executions of the last `RUN_SPAN` ran; raises as `days_of`."""
    since = statistics.now() - RUN_SPAN
    with statistics.view(Wish(since=since, which=which)) as view:
        tally = view.whole()
    return RunTimes(since, times_of(tally.runs, tally.ran_ms), bars_of(tally.runs, most=_BARS))


__all__ = ["RUN_SPAN", "WEEKS", "Day", "RunTimes", "days_of", "run_times_of"]
