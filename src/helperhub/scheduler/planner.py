"""Extends the look-ahead: due times of the next window, per helper. Planning twice changes nothing."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from helperhub.errors import UsageError
from helperhub.model.execution import Status
from helperhub.model.identity import PlannedId
from helperhub.model.instant import epoch_ms, from_ms, to_stamp
from helperhub.model.schedule import Once, Schedule
from helperhub.scheduler.records import RecordOf
from helperhub.schedules.due_times import due_times
from helperhub.schedules.jitter import due_at
from helperhub.schedules.misfire import compress
from helperhub.store.catalogue import Catalogue, CatalogueRow
from helperhub.store.record import CODE_BY_STATUS, Record
from helperhub.store.scripts import PlanEntry, Scripts

_log = logging.getLogger("helperhub.planner")
#: Helpers and due times in one call; they bound the time that the script holds Redis (about 3 us a due time).
_BATCH = 50
_BATCH_SLOTS = 2000
#: ``revision|planned until ms|enabled at ms``
_STATE = re.compile(r"\d{1,15}\|(\d{1,14})\|(\d{1,14})")
#: Missed due times of one schedule that are recorded one by one; older ones share a row.
KEEP_MISSED = 100
#: A `Once` up to this much before its registration still counts: "at this start" is always just past.
_ONCE_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Planner:
    """Enters due times in the plan.

    Args:
        scripts: The store's shard 0.
        catalogue: What is to be planned.
        window: How far ahead.
        default_tz: Zone of schedules that name none.
        record_of: Builds records, for missed times that share a row.
    """

    scripts: Scripts
    catalogue: Catalogue
    window: timedelta
    default_tz: str
    record_of: RecordOf

    def plan(self, helpers: Collection[str] | None = None) -> int:
        """Plan up to now + window; return how many due times are new.

        Args:
            helpers: Only these (``helper[/instance]``); None plans all.

        Raises:
            StoreError: Redis can't take it.
        """
        rows = self.catalogue.read().rows
        now = from_ms(self.scripts.due(limit=1).now_ms)
        chosen = [row for name, row in rows.items() if helpers is None or name in helpers]
        entries = [entry for row in chosen if (entry := self._entry(row, now)) is not None]
        added = 0
        for batch in _batches(entries):
            answers = self.scripts.plan(batch)
            # -1: another planner was first, or the helper changed; what it is now is planned by whoever changed it.
            added += sum(answer for answer in answers if answer > 0)
        return added

    def _entry(self, row: CatalogueRow, now: datetime) -> PlanEntry | None:
        if not row.planned or not row.spec.enabled:
            return None
        state = _STATE.fullmatch(row.planned)
        if state is None:
            _log.error("plan_state_unreadable", extra={"helper": row.helper, "state": row.planned[:100]})
            return None
        until_ms, enabled_ms = state.groups()
        after, until = from_ms(int(until_ms)), now + self.window
        if after >= until:
            return None
        slots: list[tuple[str, int]] = []
        missed: list[tuple[str, Record, str, str]] = []
        for name, schedule in row.spec.schedules.items():
            fresh = until_ms == enabled_ms and isinstance(schedule, Once)
            try:
                times = list(self._times(schedule, after - _ONCE_TOLERANCE if fresh else after, until))
            except UsageError as error:
                _log.exception("schedule_failed", extra={"helper": row.helper, "error": str(error)})
                continue
            past = [at for at in times if at <= now]
            kept, older = compress(past, keep=KEEP_MISSED)
            if older is not None:
                missed.append(self._missed(row, name, older.first, older.last, older.count, now))
            for at in (*kept, *times[len(past) :]):
                planned = PlannedId(row.helper, name, at)
                slots.append((planned.slot, epoch_ms(due_at(schedule, at, key=row.helper))))
        oldest = to_stamp(now - self.window)
        return PlanEntry(row.helper, row.planned, epoch_ms(until), oldest, tuple(slots), tuple(missed))

    def _times(self, schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
        return due_times(schedule, after=after, until=until, default_tz=self.default_tz)

    def _missed(
        self, row: CatalogueRow, schedule: str, first: datetime, last: datetime, count: int, now: datetime
    ) -> tuple[str, Record, str, str]:
        planned = PlannedId(row.helper, schedule, first)
        record = self.record_of(row.spec, planned, epoch_ms(first))
        record.count, record.overlap = count, ""
        expired = row.spec.expires_after is not None and last + row.spec.expires_after < now
        status = Status.EXPIRED if expired else Status.SKIPPED
        reason = f"missed while no scheduler ran: {count} due times from {to_stamp(first)} to {to_stamp(last)}"
        return str(planned), record, CODE_BY_STATUS[status], reason


def _batches(entries: Iterable[PlanEntry]) -> Iterator[list[PlanEntry]]:
    """Yield the entries in calls of bounded size; one helper's due times stay together."""
    batch: list[PlanEntry] = []
    slots = 0
    for entry in entries:
        if batch and (len(batch) == _BATCH or slots + len(entry.slots) > _BATCH_SLOTS):
            yield batch
            batch, slots = [], 0
        batch.append(entry)
        slots += len(entry.slots)
    if batch:
        yield batch
