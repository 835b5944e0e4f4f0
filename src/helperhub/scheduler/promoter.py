"""Enqueues what is due. Any number of schedulers may try: for each planned time one wins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from helperhub.model.execution import Status, Trigger
from helperhub.model.identity import PlannedId, parse_planned_id
from helperhub.model.instant import epoch_ms, from_ms, to_rfc3339
from helperhub.scheduler.records import RecordOf
from helperhub.schedules.misfire import Action, Decision, DueSlot, decide_due
from helperhub.store.catalogue import Catalogue, CatalogueRow, Snapshot
from helperhub.store.record import CODE_BY_STATUS, Record
from helperhub.store.scripts import Due, DueRow, Scripts
from helperhub.telemetry.told import CARRIED, Told

if TYPE_CHECKING:
    from helperhub.telemetry.traces import Scheduled, Traces

_log = logging.getLogger("helperhub.promoter")
_HELPERS = 200
_BATCH = 200
_STATUS_BY_ACTION = {Action.ENQUEUE: Status.QUEUED, Action.EXPIRE: Status.EXPIRED, Action.SKIP: Status.SKIPPED}
_Entry = tuple[str, str, int, Record, str, str]


@dataclass(frozen=True, slots=True)
class Promotion:
    """What one look at the plan led to.

    Args:
        now_ms: Redis TIME of the look.
        next_due_ms: The following due time, 0 if nothing is planned.
        revision: The catalogue's.
        enqueued: Executions that this scheduler enqueued.
        recorded: Due times that this scheduler recorded as expired or skipped.
        more: Whether there may be more that is due already.
    """

    now_ms: int
    next_due_ms: int
    revision: int
    enqueued: int
    recorded: int
    more: bool


class Promoter:
    """Moves due times from the plan to ready, or to their recorded end."""

    def __init__(
        self,
        scripts: Scripts,
        catalogue: Catalogue,
        *,
        scheduler: str,
        grace: timedelta,
        record_of: RecordOf,
        plan: Callable[[Collection[str]], object] | None = None,
        traces: Traces | None = None,
    ) -> None:
        """Prepare.

        Args:
            scripts: The store's shard 0.
            catalogue: What the helpers are.
            scheduler: This scheduler's id.
            grace: A due time passed by more than this counts as missed.
            record_of: Builds records.
            plan: Extends the plan of these helpers; None where nobody else is to plan.
            traces: Begins the trace of each due time; None where nobody collects them.
        """
        self._scripts = scripts
        self._catalogue = catalogue
        self._scheduler = scheduler
        self._grace = grace
        self._record_of = record_of
        self._plan = plan
        self._traces = traces
        self._begun: dict[tuple[str, str], Scheduled] = {}
        self._known = Snapshot(-1, {}, {})

    def promote(self) -> Promotion:
        """Look once and act on what is due.

        Raises:
            StoreError: Redis can't take it; nothing is lost, the next look goes on.
        """
        due = self._look()
        if due.revision != self._known.revision:
            self._known = self._catalogue.read()
        self._begun.clear()
        entries = [entry for row in due.rows for entry in self._decide(row, due.now_ms)]
        codes: list[int] = []
        for start in range(0, len(entries), _BATCH):
            codes += self._scripts.enqueue_due(entries[start : start + _BATCH])
        self._end_spans(entries, codes)
        enqueued, recorded = sum(code in (1, 2) for code in codes), codes.count(3)
        if enqueued or recorded:
            _log.debug("promoted", extra={"enqueued": enqueued, "recorded": recorded})
        more = len(due.rows) == _HELPERS
        return Promotion(due.now_ms, due.next_due_ms, due.revision, enqueued, recorded, more)

    def _end_spans(self, entries: Sequence[_Entry], codes: Sequence[int]) -> None:
        """Tell of what this scheduler enqueued; another's are told by that one."""
        for (helper, slot, *_), code in zip(entries, codes, strict=True) if self._begun else ():
            begun = self._begun.get((helper, slot))
            if begun is not None and code in (1, 2):
                begun.end()

    def _look(self) -> Due:
        due = self._scripts.due(self._scheduler, limit=_HELPERS)
        behind = [row.helper for row in due.rows if 0 < row.until_ms < due.now_ms]
        if not behind or self._plan is None:
            return due
        # After an outage longer than the look-ahead: of all that was missed one runs late, not one of what was
        # planned and one of what wasn't.
        self._plan(behind)
        return self._scripts.due(self._scheduler, limit=_HELPERS)

    def _decide(self, row: DueRow, now_ms: int) -> list[_Entry]:
        known = self._known.rows.get(row.helper)
        if known is None:
            # An entry that another release wrote, or that can't be read, is for doctor to show.
            unreadable = row.helper in self._known.unreadable
            return [] if unreadable else [_gone(row.helper, slot, due_ms) for slot, due_ms, _ in row.slots]
        slots = {}
        for slot, due_ms, mark in row.slots:
            planned = parse_planned_id(row.helper + slot)
            if planned is not None:
                # One that a scheduler held for another shard before it died keeps what it was.
                asked = mark.startswith("move:") or (mark.startswith("held:") and mark.split(":", 2)[2][:5] == "move:")
                slots[DueSlot(planned.schedule, planned.planned_at, from_ms(due_ms), asked=asked)] = (planned, due_ms)
        now = from_ms(now_ms)
        if known.spec.enabled:
            decisions = decide_due(list(slots), now=now, grace=self._grace, expires_after=known.spec.expires_after)
        else:
            # It was due already when somebody disabled the helper, and nothing had enqueued it.
            decisions = [
                Decision(slot, Action.ENQUEUE if slot.asked else Action.SKIP, "" if slot.asked else "disabled")
                for slot in slots
            ]
        return [self._entry(known, *slots[decision.slot], decision) for decision in decisions]

    def _entry(self, row: CatalogueRow, planned: PlannedId, due_ms: int, decision: Decision) -> _Entry:
        is_enqueued = decision.action is Action.ENQUEUE
        options = self._begin_span(row, planned) if is_enqueued and self._traces is not None else None
        record = self._record_of(row.spec, planned, due_ms, options)
        if not is_enqueued:
            record.overlap = ""
        code = CODE_BY_STATUS[_STATUS_BY_ACTION[decision.action]]
        return row.helper, planned.slot, due_ms, record, code, decision.reason

    def _begin_span(self, row: CatalogueRow, planned: PlannedId) -> dict[str, str]:
        assert self._traces is not None  # noqa: S101 - for the type only
        about = Told(str(planned), row.helper, row.spec.queue)
        begun = self._traces.scheduled(about, to_rfc3339(planned.planned_at))
        self._begun[row.helper, planned.slot] = begun
        return {CARRIED: begun.carried}


def _gone(helper: str, slot: str, due_ms: int) -> _Entry:
    """Return the end of a due time whose helper is no longer in the catalogue."""
    planned = parse_planned_id(helper + slot)
    planned_ms = epoch_ms(planned.planned_at) if planned else due_ms
    record = Record(helper=helper, planned_ms=planned_ms, due_ms=due_ms, trigger=Trigger.SCHEDULE.value)
    return helper, slot, due_ms, record, CODE_BY_STATUS[Status.SKIPPED], "its helper is gone"
