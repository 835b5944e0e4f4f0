"""Which helpers were due and have no success: each is looked at when its next due time, and the grace, have passed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from helperhub.errors import UsageError
from helperhub.model.alert import AlertRule
from helperhub.model.duration import to_ms
from helperhub.model.helper import HelperSpec
from helperhub.model.identity import PlannedId
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.model.schedule import Once, Schedule
from helperhub.schedules.due_times import due_times, next_due
from helperhub.services.alert_rules import Thresholds
from helperhub.store.catalogue import CatalogueRow
from helperhub.store.record import Record
from helperhub.store.watching import Watching

_log = logging.getLogger("helperhub.alerts")
#: Looked at in one turn: one takes about 0.2 ms, and the scheduler has other things to do.
_MOST_AT_ONCE = 600
#: How soon a helper is looked at again that runs, or that has no success.
_AGAIN_MS = 3_000
#: How far back the last due time is sought, nearest first.
_BACK = (timedelta(minutes=2), timedelta(hours=1), timedelta(hours=25), timedelta(days=8))
#: How skips begin that no person made.
_UNWANTED_SKIPS = ("missed", "overlap")
_FAILED = frozenset("ex")


@dataclass(slots=True)
class _Watched:
    """One helper: its spec as it was looked at, when it is looked at next, and the due time that has no success."""

    spec: HelperSpec
    grace_s: float | None
    next_ms: int = 0
    missing_ms: int = 0
    judged: bool = False


@dataclass(slots=True)
class Absences:
    """Remembers what was seen of each helper that has a schedule.

    Args:
        shards: Where successes are looked for.
        default_tz: Zone of schedules that name none.
        keep_of: How long a queue's successes are kept: what is older isn't judged.
    """

    shards: Sequence[Watching]
    default_tz: str
    keep_of: Callable[[str], timedelta]
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _followed: tuple[object, object] = (None, None)

    def look(
        self, rows: Mapping[str, CatalogueRow], thresholds: Thresholds, *, now_ms: int
    ) -> tuple[dict[str, float], frozenset[str]]:
        """Look at those whose time has come.

        Args:
            rows: The catalogue; the same object as long as it doesn't change.
            thresholds: Say how long after a due time a helper's success may be missing.
            now_ms: Redis TIME.

        Returns:
            For how long a success is missing (s) by helper, and the helpers that can't be judged yet.

        Raises:
            StoreError: A shard can't be asked.
        """
        if rows is not self._followed[0] or thresholds != self._followed[1]:
            self._follow(rows, thresholds)
            self._followed = (rows, thresholds)
        due = sorted((one.next_ms, helper) for helper, one in self._watched.items() if one.next_ms <= now_ms)
        self._judge([helper for _, helper in due[:_MOST_AT_ONCE]], rows, now_ms)
        missing = {helper: (now_ms - one.missing_ms) / 1000 for helper, one in self._watched.items() if one.missing_ms}
        return missing, frozenset(helper for helper, one in self._watched.items() if not one.judged)

    def _follow(self, rows: Mapping[str, CatalogueRow], thresholds: Thresholds) -> None:
        """Take on what the catalogue says now; what changed is judged anew."""
        watched = {}
        for helper, row in rows.items():
            spec = row.spec
            if not (spec.enabled and spec.schedules):
                continue
            grace_s = thresholds.of(AlertRule.ABSENT, f"helper:{helper}")
            if grace_s is None:
                continue
            before = self._watched.get(helper)
            same = before is not None and before.spec is spec and before.grace_s == grace_s
            watched[helper] = before if same and before is not None else _Watched(spec, grace_s)
        self._watched = watched

    def _judge(self, helpers: Sequence[str], rows: Mapping[str, CatalogueRow], now_ms: int) -> None:
        since_ms = max((shard.complete_since_ms() for shard in self.shards), default=0)
        expected: dict[str, tuple[str, datetime]] = {}
        for helper in helpers:
            one = self._watched[helper]
            until = from_ms(now_ms - int((one.grace_s or 0) * 1000))
            last, one.next_ms = self._times(one, until, now_ms)
            first_ms = max(since_ms, now_ms - to_ms(self.keep_of(one.spec.queue)), _enabled_ms(rows[helper]))
            if last is None or epoch_ms(last[1]) < first_ms:
                # Nothing that it can be judged by: what was said of it before a restart stands until there is.
                one.judged = one.judged or last is None or epoch_ms(last[1]) <= _enabled_ms(rows[helper])
                continue
            expected[helper] = last
        self._ask(expected, now_ms)

    def _ask(self, expected: Mapping[str, tuple[str, datetime]], now_ms: int) -> None:
        """Find out which of these due times have a success, or something on its way to one."""
        successes = self._merge(shard.last_successes(list(expected)) for shard in self.shards)
        without = {
            helper: str(PlannedId(helper, *last))
            for helper, last in expected.items()
            if successes.get(helper, 0) < epoch_ms(last[1])
        }
        records: dict[str, Record] = {}
        for shard in self.shards:
            records |= shard.records(list(without.values()))
        for helper, (_, planned) in expected.items():
            one = self._watched[helper]
            one.judged, one.missing_ms = True, 0
            if helper not in without:
                continue
            one.next_ms = min(one.next_ms, now_ms + _AGAIN_MS)
            if is_missing(records.get(without[helper])):
                one.missing_ms = epoch_ms(planned)

    @staticmethod
    def _merge(found: Iterable[Mapping[str, int]]) -> dict[str, int]:
        merged: dict[str, int] = {}
        for one in found:
            for helper, at in one.items():
                merged[helper] = max(merged.get(helper, 0), at)
        return merged

    def _times(self, one: _Watched, until: datetime, now_ms: int) -> tuple[tuple[str, datetime] | None, int]:
        """Return the last due time up to ``until`` with its schedule's name, and when the next one is to be judged."""
        last: tuple[str, datetime] | None = None
        next_ms = now_ms + to_ms(timedelta(days=1))
        for name, schedule in one.spec.schedules.items():
            jitter = timedelta(0) if isinstance(schedule, Once) else schedule.jitter
            try:
                found = self._last(schedule, until - jitter)
                following = next_due(schedule, after=until - jitter, default_tz=self.default_tz, count=1)
            except UsageError as error:
                _log.warning("alert_schedule_unreadable", extra={"helper": one.spec.key, "error": str(error)})
                continue
            if found is not None and (last is None or found > last[1]):
                last = (name, found)
            for at in following:
                next_ms = min(next_ms, epoch_ms(at + jitter) + int((one.grace_s or 0) * 1000))
        return last, max(next_ms, now_ms + 1)

    def _last(self, schedule: Schedule, until: datetime) -> datetime | None:
        for back in _BACK:
            found = list(due_times(schedule, after=until - back, until=until, default_tz=self.default_tz))
            if found:
                return found[-1]
        return None


def is_missing(record: Record | None) -> bool:
    """Return whether a due time with this execution, or none, lacks a success that it should have.

    One that is still open may come to it, and what a person skipped or cancelled was not to.
    """
    if record is None:
        return True
    if record.status == "k":
        return record.reason.startswith(_UNWANTED_SKIPS)
    return record.status in _FAILED


def _enabled_ms(row: CatalogueRow) -> int:
    """Return since when a helper is planned; due times before aren't its."""
    _, _, enabled = row.planned.rpartition("|")
    return int(enabled) if enabled.isdecimal() else 0
