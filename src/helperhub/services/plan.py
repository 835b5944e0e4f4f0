"""The plan: what is due next, and what a person does about one planned execution."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from helperhub.errors import Inapplicable, NotFound
from helperhub.model.execution import Execution, Status
from helperhub.model.helper import split_key
from helperhub.model.identity import PlannedId, parse_planned_id
from helperhub.model.instant import epoch_ms, from_ms, to_rfc3339
from helperhub.scheduler.records import RecordOf
from helperhub.services.audit import Audit
from helperhub.store.catalogue import Catalogue, CatalogueRow, PlannedRow
from helperhub.store.record import read_execution
from helperhub.store.scripts import Scripts

#: How often the plan is read anew because due times were enqueued between two reads.
_LOOKS = 5
#: So many helpers are read of the plan at first: mostly, those that are due next are among them.
_FEW = 1000


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What became of a planned execution: its id, and when it is due now (None: skipped)."""

    id: str
    due_at: datetime | None

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {"id": self.id, "due_at": to_rfc3339(self.due_at) if self.due_at else None}


@dataclass(frozen=True, slots=True)
class Plan:
    """Use cases around the look-ahead."""

    scripts: Scripts
    catalogue: Catalogue
    record_of: RecordOf
    audit: Audit

    def upcoming(
        self, *, helper: str | None = None, among: Collection[str] | None = None, limit: int | None = None
    ) -> list[Execution]:
        """Return planned executions in order of due time, then priority.

        Args:
            helper: Only those of this helper (with all its instances) or instance.
            among: Only those of these helpers and instances; None for all.
            limit: At most so many.
        """
        rows = self.catalogue.current().rows
        wanted: Collection[str] = rows if among is None else {name for name in among if name in rows}
        if helper is not None:
            wanted = {name for name in wanted if helper in (name, split_key(name)[0])}
        planned: list[PlannedRow] = []
        for _ in range(_LOOKS):
            names, until_ms = self._first_names(rows, wanted, limit)
            planned = self.catalogue.plan_of(names, until_ms=until_ms)
            if until_ms is None or limit is None or len(planned) >= limit:
                break  # else some came due between two reads, and others have taken their place
        planned.sort(key=lambda row: (row.due_ms, rows[row.helper].spec.priority, row.helper, row.slot))
        return [self._execution(rows[row.helper], row) for row in planned[:limit]]

    def due_until(self, until: datetime, sees: Callable[[str, str], bool]) -> list[str]:
        """Return the helpers and instances that are due by ``until`` at least once, by name.

        Args:
            until: When.
            sees: Tells by name and queue whether one is wanted.
        """
        rows, until_ms = self.catalogue.current().rows, epoch_ms(until)
        due = sorted(name for name, due_ms in self.catalogue.next_due().items() if due_ms <= until_ms and name in rows)
        return [name for name in due if sees(name, rows[name].spec.queue)]

    def _first_names(
        self, rows: Mapping[str, CatalogueRow], wanted: Collection[str], limit: int | None
    ) -> tuple[list[str], int | None]:
        """Return the helpers that the first ``limit`` planned executions are of, and by when these are due.

        Each helper has a due time at its next one: the first ``limit`` are of as many helpers, and due by the last
        one's next. All helpers and no time if there aren't so many.
        """
        if limit is None or limit <= 0:
            return list(self.catalogue.next_due(wanted)), None
        first: list[tuple[int, int, str]] = []
        for most in (_FEW, None):
            due = self.catalogue.first_due(most)
            first = heapq.nsmallest(
                limit, ((due_ms, rows[name].spec.priority, name) for name, due_ms in due if name in wanted)
            )
            # Those that are due at the same time go by priority: all of them must have been looked at.
            if len(due) < _FEW or (len(first) == limit and first[-1][0] < due[-1][1]):
                break
        return [name for _, _, name in first], first[-1][0] if len(first) == limit else None

    def get(self, execution_id: str) -> Execution | None:
        """Return one planned execution, or None if it isn't planned (any more)."""
        planned = parse_planned_id(execution_id)
        if planned is None:
            return None
        row = self.catalogue.current().rows.get(planned.helper)
        if row is None:
            return None
        slots = {found.slot: found for found in self.catalogue.plan_of([planned.helper])}
        found = slots.get(planned.slot)
        return self._execution(row, found) if found else None

    def skip(self, execution_id: str, *, reason: str) -> PlanChange:
        """Leave one planned execution out; it is recorded as skipped, with the reason.

        Raises:
            NotFound: It isn't planned.
        """
        return self._mark(execution_id, "skip", reason=reason or "skipped by hand")

    def move(self, execution_id: str, *, to: datetime, reason: str) -> PlanChange:
        """Make one planned execution due at another time; its id stays.

        Raises:
            NotFound: It isn't planned.
            Inapplicable: ``to`` is past.
        """
        now = from_ms(self.scripts.due(limit=1).now_ms)
        if to < now:
            message = f"{to_rfc3339(to)} is past."
            raise Inapplicable(message, hint="Move it to a time to come, or use 'plan run' to run it now.")
        return self._mark(execution_id, "move", due_ms=epoch_ms(to), reason=reason)

    def run(self, execution_id: str, *, reason: str) -> PlanChange:
        """Make one planned execution due now; it keeps its id and isn't planned again.

        Raises:
            NotFound: It isn't planned.
        """
        return self._mark(execution_id, "run", reason=reason)

    def _mark(self, execution_id: str, action: str, *, reason: str, due_ms: int = 0) -> PlanChange:
        planned = parse_planned_id(execution_id)
        row = self.catalogue.current().rows.get(planned.helper) if planned else None
        if planned is None or row is None:
            raise _not_planned(execution_id)
        record = self.record_of(row.spec, planned, epoch_ms(planned.planned_at))
        record.overlap = ""
        due = self.scripts.mark_plan(planned.helper, planned.slot, action, due_ms=due_ms, reason=reason, record=record)
        if due == -1:
            raise _not_planned(execution_id)
        after = {"due_at": to_rfc3339(from_ms(due))} if due else None
        self.audit.note(f"plan.{action}", execution_id, after=after, reason=reason)
        return PlanChange(execution_id, from_ms(due) if due else None)

    def _execution(self, row: CatalogueRow, planned: PlannedRow) -> Execution:
        parsed = parse_planned_id(row.helper + planned.slot) or PlannedId(row.helper, "", from_ms(planned.due_ms))
        execution = read_execution(str(parsed), self.record_of.unsigned(row.spec, parsed, planned.due_ms))
        reason = planned.mark.split(":", 2)[2] if planned.mark else ""
        reason = f"moved: {reason}" if planned.mark else ""
        return replace(execution, status=Status.PLANNED, payload=row.spec.payload, reason=reason)


def _not_planned(execution_id: str) -> NotFound:
    message = f"'{execution_id}' isn't planned, or isn't any more."
    return NotFound(message, hint="'helperhub plan list' shows what is; 'helperhub executions show' what became of it.")
