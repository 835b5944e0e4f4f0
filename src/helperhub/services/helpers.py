"""Helpers: list, show, enable, disable, update, run; and the registration of what plugins bring."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from helperhub.errors import Conflict
from helperhub.model.helper import HelperSpec, Override, split_key
from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.model.limits import HeldLimits
from helperhub.scheduler.planner import Planner
from helperhub.schedules.due_times import next_due
from helperhub.schedules.notation import check_schedule
from helperhub.schedules.spec_document import override_to_document, spec_to_document
from helperhub.services.audit import Audit
from helperhub.services.helper_document import document_of, read_payload_schema
from helperhub.services.helper_updates import (
    HelperUpdate,
    check_limits,
    check_payload,
    refuse_instance,
    row_to_change,
    unknown_helper,
    updated_override,
    with_override,
)
from helperhub.services.limits import LimitRules
from helperhub.services.versions import version_key
from helperhub.store.catalogue import OVERRIDE, SPEC, Catalogue, CatalogueRow, Snapshot
from helperhub.store.scripts import Scripts, SpecChange
from helperhub.trust.signing import Signatures

_KEEP, _RENEW, _STOP = "keep", "renew", "stop"
#: How often a change is made anew because the catalogue changed meanwhile.
_TRIES = 20
#: From so many helpers on, the whole plan is read at once for their due times.
_MANY = 1000
#: A changed spec that differs in one of these is planned anew.
_PLANNED_FIELDS = ("schedules", "enabled")


@dataclass(frozen=True, slots=True)
class HelperChange:
    """What a change of a helper led to.

    Args:
        helper: ``helper[/instance]``.
        enabled: Whether it is planned now.
        planned: Due times that were entered in the plan.
        removed: Due times that were taken out of it.
    """

    helper: str
    enabled: bool
    planned: int
    removed: int

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {"helper": self.helper, "enabled": self.enabled, "planned": self.planned, "removed": self.removed}


@dataclass(frozen=True, slots=True)
class Helpers:
    """Use cases around the catalogue."""

    scripts: Scripts
    catalogue: Catalogue
    planner: Planner
    default_tz: str
    limit_rules: LimitRules
    audit: Audit

    @property
    def signatures(self) -> Signatures:
        """Sign what goes into the catalogue."""
        return self.catalogue.signatures

    def all(self) -> list[dict[str, Any]]:
        """Return every helper and instance as a document, by name."""
        return self.several(self.catalogue.current().rows)

    def page(self, *, after: str, limit: int, wanted: Callable[[str, str], bool]) -> tuple[list[dict[str, Any]], bool]:
        """Return a page of helpers and instances as documents, by name, and whether more follow.

        Args:
            after: Only names after this one.
            limit: At most so many.
            wanted: Tells by name and queue whether one is wanted.
        """
        rows = self.catalogue.current().rows  # by name
        names = [name for name, row in rows.items() if name > after and wanted(name, row.spec.queue)]
        return self.several(names[:limit]), len(names) > limit

    def several(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return these helpers and instances as documents, in this order; those that there aren't are left out."""
        snapshot = self.catalogue.current()
        shown = [name for name in names if name in snapshot.rows]
        due, limits = self.catalogue.next_due(shown if len(shown) < _MANY else None), snapshot.limits()
        return [self._document(snapshot.rows[name], due.get(name), limits[split_key(name)[0]]) for name in shown]

    def show(self, helper: str) -> dict[str, Any]:
        """Return one helper as a document, with the schema of its payloads.

        Raises:
            NotFound: No helper has that name; the hint names close ones.
        """
        snapshot = self.catalogue.current()
        if helper not in snapshot.rows:
            raise unknown_helper(helper, snapshot.rows)
        row, held = snapshot.rows[helper], snapshot.limits()[split_key(helper)[0]]
        document = self._document(row, self.catalogue.next_due([helper]).get(helper), held)
        return {**document, "payload_schema": read_payload_schema(row.spec)}

    def find(self, helper: str) -> CatalogueRow | None:
        """Return one helper's row of the catalogue, or None if no helper has that name."""
        return self.catalogue.current().rows.get(helper)

    def row(self, helper: str) -> CatalogueRow:
        """Return one helper's row of the catalogue.

        Raises:
            NotFound: No helper has that name; the hint names close ones.
        """
        rows = self.catalogue.current().rows
        if helper in rows:
            return rows[helper]
        raise unknown_helper(helper, rows)

    def enable(self, helper: str, *, reason: str = "") -> HelperChange:
        """Plan the helper's schedules from now on; the answer says how many due times were planned.

        Raises:
            NotFound: No helper has that name.
        """
        return self.update(helper, HelperUpdate(enabled=True), reason=reason, action="helper.enable")

    def disable(self, helper: str, *, reason: str = "") -> HelperChange:
        """Remove the helper's future due times and plan no more; history stays.

        Raises:
            NotFound: No helper has that name.
        """
        return self.update(helper, HelperUpdate(enabled=False), reason=reason, action="helper.disable")

    def pause(self, helper: str, *, reason: str = "") -> HelperChange:
        """Start nothing of the helper, with all its instances; planning goes on, and what is due waits.

        Raises:
            NotFound: No helper has that name.
            UsageError: It is an instance.
        """
        return self.update(helper, HelperUpdate(paused=True), reason=reason, action="helper.pause")

    def resume(self, helper: str, *, reason: str = "") -> HelperChange:
        """Start executions of a helper that was paused again, at once.

        Raises:
            NotFound: No helper has that name.
            UsageError: It is an instance.
        """
        return self.update(helper, HelperUpdate(paused=False), reason=reason, action="helper.resume")

    def update(
        self,
        helper: str,
        update: HelperUpdate,
        *,
        reason: str = "",
        create: bool = False,
        action: str = "helper.update",
        check: Callable[[dict[str, Any]], None] | None = None,
    ) -> HelperChange:
        """Change a helper at run time, beside its spec, and plan anew what that changes.

        Args:
            helper: ``helper[/instance]``.
            update: What to change.
            reason: Why, in the operator's words; kept.
            create: Make the instance if it doesn't exist; its helper must.
            action: What the audit calls it.
            check: Is given the helper's document as it is when the change is made, and raises to prevent it.

        Raises:
            NotFound: No helper has that name.
            UsageError: A value is out of range.
        """
        limited = self._check_update(helper, update)
        changed_at = from_ms(self.scripts.due(limit=1).now_ms)
        before: dict[str, Any] = {}

        def change(row: CatalogueRow) -> tuple[str, HelperSpec]:
            if check is not None:
                check(self.show(helper))
            override = updated_override(row.override or Override(), update, reason, changed_at)
            check_limits(helper, row.spec, update)
            after = with_override(row, override)  # raises before anything is written
            before["override"] = override_to_document(row.override) if row.override else None
            before["next"] = override_to_document(override)
            text = orjson.dumps(before["next"]).decode()
            return self.signatures.sign_text(OVERRIDE, helper, text), after

        made = self._write(lambda snapshot: row_to_change(snapshot, helper, create=create, limited=limited), change)
        self.audit.note(action, helper, before=before["override"], after=before["next"], reason=reason)
        return made

    def preview(self, helper: str, update: HelperUpdate, *, create: bool = False, count: int = 10) -> dict[str, Any]:
        """Return the next due times as they are and as they would be after an update, which isn't made.

        Raises:
            NotFound: No helper has that name.
            UsageError: A value is out of range.
        """
        limited = self._check_update(helper, update)
        row = row_to_change(self.catalogue.read(), helper, create=create, limited=limited)
        now = from_ms(self.scripts.due(limit=1).now_ms)
        override = updated_override(row.override or Override(), update, "", now)
        check_limits(helper, row.spec, update)
        after = with_override(row, override)
        return {
            "helper": helper,
            "dry_run": True,
            "before": self._next_times(row.spec, now, count),
            "after": self._next_times(after, now, count),
        }

    def _check_update(self, helper: str, update: HelperUpdate) -> bool:
        """Refuse what can't hold; return whether limits are changed."""
        for name, schedule in (update.schedules or {}).items():
            check_schedule(schedule, default_tz=self.default_tz, subject=f"Schedule '{name or helper}'")
        check_payload(update)
        limited = bool(update.limits) or update.paused is not None
        if limited:
            refuse_instance(helper)
        return limited

    def _next_times(self, spec: HelperSpec, after: datetime, count: int) -> list[str]:
        if not spec.enabled:
            return []
        each = [next_due(s, after=after, default_tz=self.default_tz, count=count) for s in spec.schedules.values()]
        return [to_rfc3339(at) for at in sorted(at for times in each for at in times)[:count]]

    def reset(self, helper: str) -> HelperChange:
        """Drop what operators changed: the spec holds again. An instance that an operator made goes.

        So goes a change that can't be read, or that nobody with a key made.

        Raises:
            NotFound: No helper has that name.
        """
        if helper in self.catalogue.read().unreadable:
            self.scripts.register([SpecChange(helper, override="-")], revision=None)
        dropped: dict[str, Any] = {}

        def drop(row: CatalogueRow) -> tuple[str, HelperSpec]:
            dropped["override"] = override_to_document(row.override) if row.override else None
            return "-", row.declared or replace(row.spec, enabled=False)

        made = self._write(lambda snapshot: row_to_change(snapshot, helper, create=False, limited=True), drop)
        self.audit.note("helper.reset", helper, before=dropped["override"])
        return made

    def register(
        self,
        specs: Iterable[HelperSpec],
        *,
        exclusive: bool,
        only_new: bool = False,
        spared: Collection[str] = (),
    ) -> HelperChange:
        """Enter what plugins declare, and plan what is new.

        A lower version of a plugin never overwrites a higher one's spec. Overrides stay.

        Args:
            specs: What the loaded plugins declare.
            exclusive: This process has all plugins there are (one machine): what none of them
                declares any more is dropped, its history stays.
            only_new: Enter only what the catalogue doesn't have yet (worker processes).
            spared: Distributions that couldn't be loaded here: their helpers aren't dropped.

        Returns:
            A change of no helper in particular, with the sums.
        """
        self.signatures.require()
        # Where only some helpers' keys are, only these can be entered.
        declared = {spec.key: spec for spec in specs if self.signatures.can_sign(spec.key)}
        for _ in range(_TRIES):
            snapshot = self.catalogue.read()
            changes = [
                change
                for key, spec in declared.items()
                if (change := self._registration(spec, snapshot.rows.get(key), only_new=only_new)) is not None
            ]
            if exclusive:
                gone = [
                    row
                    for key, row in snapshot.rows.items()
                    if row.declared is not None and key not in declared and row.declared.plugin not in spared
                ]
                changes += [SpecChange(row.helper, spec="-", plan=_STOP) for row in gone]
            if not changes:
                return HelperChange("", enabled=True, planned=0, removed=0)
            revision, removed = self.scripts.register(changes, revision=snapshot.revision)
            if revision != -1:
                self.limit_rules.enter()
                renewed = {change.helper for change in changes if change.plan == _RENEW}
                planned = self._plan(renewed) if renewed else 0
                return HelperChange("", enabled=True, planned=planned, removed=removed)
        message = "The catalogue kept changing while helpers were registered."
        raise Conflict(message, hint="Start again.")

    def _write(
        self,
        row_of: Callable[[Snapshot], CatalogueRow],
        change: Callable[[CatalogueRow], tuple[str, HelperSpec]],
    ) -> HelperChange:
        """Write an override under the revision that it was made from, so that nobody else's change is lost."""
        for _ in range(_TRIES):
            snapshot = self.catalogue.read()
            row = row_of(snapshot)
            override, after = change(row)
            plan = _RENEW if after.enabled and after.schedules else _STOP
            if (after.enabled, after.schedules) == (row.spec.enabled, row.spec.schedules) and row.planned:
                # Priority, expiry and payload count when a due time is enqueued: nothing to plan anew.
                plan = _KEEP
            spec_change = SpecChange(row.helper, override=override, plan=plan)
            revision, removed = self.scripts.register([spec_change], revision=snapshot.revision)
            if revision != -1:
                self.limit_rules.enter()
                planned = self._plan({row.helper}) if plan == _RENEW else 0
                return HelperChange(row.helper, enabled=after.enabled, planned=planned, removed=removed)
        message = "The catalogue kept changing while a helper was changed."
        raise Conflict(message, hint="Try again.")

    def _registration(self, spec: HelperSpec, row: CatalogueRow | None, *, only_new: bool) -> SpecChange | None:
        before = row.declared if row else None
        if before is not None and (
            only_new or before == spec or version_key(spec.plugin_version) < version_key(before.plugin_version)
        ):
            return None
        text = self.signatures.sign_text(SPEC, spec.key, orjson.dumps(spec_to_document(spec)).decode())
        if row is None or before is None:
            planned = spec.enabled and bool(spec.schedules)
            return SpecChange(spec.key, spec=text, plan=_RENEW if planned else _KEEP)
        after = spec if row.override is None else with_override(replace(row, declared=spec), row.override)
        if all(getattr(after, name) == getattr(row.spec, name) for name in _PLANNED_FIELDS):
            return SpecChange(spec.key, spec=text, plan=_KEEP)
        return SpecChange(spec.key, spec=text, plan=_RENEW if after.enabled and after.schedules else _STOP)

    def _plan(self, helpers: Collection[str]) -> int:
        """Plan these anew and return how many due times they have; a scheduler may have planned them first."""
        self.planner.plan(helpers)
        return self.catalogue.count_planned(helpers)

    def _document(self, row: CatalogueRow, next_due_ms: int | None, held: HeldLimits) -> dict[str, Any]:
        next_at = from_ms(next_due_ms) if next_due_ms is not None else self._next_beyond(row.spec)
        return document_of(row, held, next_due_at=next_at, default_tz=self.default_tz)

    def _next_beyond(self, spec: HelperSpec) -> datetime | None:
        """Return the next due time past the look-ahead, as the schedules say."""
        if not spec.enabled:
            return None
        # Up to here all is planned, or a person took it out.
        after = datetime.now(UTC) + self.planner.window
        each = [next_due(s, after=after, default_tz=self.default_tz, count=1) for s in spec.schedules.values()]
        return min((times[0] for times in each if times), default=None)


__all__ = ["HelperChange", "HelperUpdate", "Helpers", "unknown_helper"]
