"""A week of a hub in figures, beside the week before: what the report says, on every face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from helperhub.archive.statistics import Key, RollupReader, Which
from helperhub.archive.tally import Tally
from helperhub.model.instant import epoch_ms, from_ms, to_rfc3339
from helperhub.model.span import DAY_MS, Stretch, floor_to, split_span
from helperhub.schedules.weeks import Week
from helperhub.schedules.zones import load_zone
from helperhub.services.figures import change_of, figures_of
from helperhub.services.statistics import View, busiest_of, name_of

#: Rows of each table.
MOST_ROWS = 5
#: What ended less often in a week is neither slow nor flaky, but rare.
AT_LEAST = 5
_EVERYTHING = Which()


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """One week.

    Args:
        hub: Whose.
        week: Which.
        now: Its figures.
        before: Those of the week before.
        days: By day: date, counts by outcome, and ``before``: executions of that weekday in the week before.
        day_zone: The zone of these days: the week's, or UTC where hours aren't kept any more.
        counts: Executions by weekday and hour in the week's zone; empty where hours aren't kept any more.
        tables: Helpers with figures: ``failing``, ``slowest``, ``flakiest``, ``costliest``.
        queues: Queues with figures.
        totals: Numbers that helpers reported: ``helper``, ``name``, ``now``, ``before``.
    """

    hub: str
    week: Week
    now: Mapping[str, Any]
    before: Mapping[str, Any]
    days: Sequence[Mapping[str, Any]]
    day_zone: str
    counts: Sequence[Sequence[int]]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    queues: Sequence[Mapping[str, Any]]
    totals: Sequence[Mapping[str, Any]]

    @property
    def change(self) -> dict[str, float | None]:
        """How the figures have changed; see `figures.change_of`."""
        return change_of(self.now, self.before)

    def to_document(self) -> dict[str, Any]:
        """Return it as a document."""
        return {
            "hub": self.hub,
            "week": self.week.name,
            "timezone": self.week.timezone,
            "since": to_rfc3339(self.week.day_start(0)),
            "until": to_rfc3339(self.week.day_start(7)),
            "now": self.now,
            "before": self.before,
            "change": self.change,
            "day_zone": self.day_zone,
            "days": list(self.days),
            "busiest": busiest_of(self.counts, MOST_ROWS),
            **self.tables,
            "queues": list(self.queues),
            "totals": list(self.totals),
        }


def read_weekly(reader: RollupReader, week: Week, hub: str) -> WeeklyReport:
    """Return the report on a week.

    Raises:
        ArchiveError: The archive is away, or refuses.
    """
    this, last = _view(reader, week), _view(reader, week.previous())
    days, day_zone, counts = _days(reader, week)
    tables = {
        order: _helpers(this, order, at_least=AT_LEAST if order in ("slowest", "flakiest") else 1)
        for order in ("failing", "slowest", "flakiest", "costliest")
    }
    queues = [
        {"queue": key[0], **figures_of(one)} for key, one in this.top("queue", order="busiest", limit=10, at_least=1)
    ]
    now, before = figures_of(this.whole()), figures_of(last.whole())
    return WeeklyReport(hub, week, now, before, days, day_zone, counts, tables, queues, _totals(this, last))


def _view(reader: RollupReader, week: Week) -> View:
    since_ms, until_ms = epoch_ms(week.day_start(0)), epoch_ms(week.day_start(7))
    stretches = split_span(since_ms, until_ms, hours_since_ms=reader.hours_since_ms())
    return View(reader, stretches, stretches[0].since_ms, stretches[-1].until_ms, _EVERYTHING)


def _helpers(view: View, order: str, *, at_least: int) -> list[dict[str, Any]]:
    found = view.top("helper", "instance", order=order, limit=MOST_ROWS, at_least=at_least)
    return [{"helper": name_of(key), **figures_of(one)} for key, one in found]


def _days(reader: RollupReader, week: Week) -> tuple[list[dict[str, Any]], str, list[list[int]]]:
    """Return the days, their zone, and the counts by weekday and hour."""
    since_ms = epoch_ms(week.previous().day_start(0))
    until_ms = epoch_ms(week.day_start(7))
    complete_ms = reader.hours_since_ms()
    if complete_ms is not None and since_ms >= complete_ms:
        found = reader.sums([Stretch("hour", since_ms, until_ms)], _EVERYTHING, "start_ms")
        return _by_date(found, week, week.timezone), week.timezone, _by_hour(found, week)
    stretch = Stretch("day", floor_to(since_ms, DAY_MS), floor_to(until_ms + DAY_MS - 1, DAY_MS))
    found = reader.sums([stretch], _EVERYTHING, "start_ms")
    return _by_date(found, week, "UTC"), "UTC", []


def _by_date(found: Mapping[Key, Tally], week: Week, timezone: str) -> list[dict[str, Any]]:
    zone = load_zone(timezone)
    sums: dict[date, Tally] = {}
    for (start_ms,), one in found.items():
        sums.setdefault(from_ms(start_ms).astimezone(zone).date(), Tally()).merge(one)
    none = Tally()
    return [
        {
            "date": day.isoformat(),
            "executions": sums.get(day, none).total,
            **sums.get(day, none).counts,
            "before": sums.get(before, none).total,
        }
        for day, before in zip(week.dates(), week.previous().dates(), strict=True)
    ]


def _by_hour(found: Mapping[Key, Tally], week: Week) -> list[list[int]]:
    zone, since_ms = load_zone(week.timezone), epoch_ms(week.day_start(0))
    counts = [[0] * 24 for _ in range(7)]
    for (start_ms,), one in found.items():
        if start_ms >= since_ms:
            local = from_ms(start_ms).astimezone(zone)
            counts[local.weekday()][local.hour] += one.total
    return counts


def _totals(this: View, last: View) -> list[dict[str, Any]]:
    now = this.reader.totals(this.stretches, this.which)
    before = last.reader.totals(last.stretches, last.which)
    # What is 0 in both weeks says nothing.
    names = sorted(
        {(helper, name) for sums in (now, before) for helper, own in sums.items() for name in own if own[name]}
    )
    return [
        {
            "helper": helper,
            "name": name,
            "now": now.get(helper, {}).get(name, 0),
            "before": before.get(helper, {}).get(name, 0),
        }
        for helper, name in names
    ]


__all__ = ["AT_LEAST", "WeeklyReport", "read_weekly"]
