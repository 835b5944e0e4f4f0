"""What an operator changes of a helper: from what is wanted to the override that is kept."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from helperhub.errors import Inapplicable, NotFound
from helperhub.model.helper import HelperSpec, Override, effective_spec, split_key
from helperhub.model.limits import LimitsOverride, Rate
from helperhub.model.schedule import Schedule
from helperhub.store.body import to_json
from helperhub.store.catalogue import CatalogueRow, Snapshot

_UPDATABLE = ("schedules", "priority", "expires_after", "enabled", "callback")


@dataclass(frozen=True, slots=True)
class HelperUpdate:
    """What an operator wants changed; None leaves a value.

    Args:
        schedules: Replaces all schedules.
        priority: 1 to 5.
        expires_after: Replaces the expiry.
        enabled: Switches planning.
        payload: Replaces the payload of scheduled executions, where ``has_payload``.
        has_payload: Whether ``payload`` counts.
        callback: Replaces the URL that is told of each end; empty means nobody.
        limits: By name of `LIMIT_NAMES`; a value of None is no limit.
        paused: Start nothing of the helper, or go on.
    """

    schedules: Mapping[str, Schedule] | None = None
    priority: int | None = None
    expires_after: timedelta | None = None
    enabled: bool | None = None
    payload: Any = None
    has_payload: bool = False
    callback: str | None = None
    limits: Mapping[str, int | Rate | None] = field(default_factory=dict)
    paused: bool | None = None


def row_to_change(snapshot: Snapshot, helper: str, *, create: bool, limited: bool) -> CatalogueRow:
    """Return the row that is changed, made up where there is none yet.

    Args:
        snapshot: The catalogue.
        helper: ``helper[/instance]``.
        create: Make the instance if it doesn't exist; its helper must.
        limited: Limits are changed, which a helper has even if there are only instances of it.

    Raises:
        NotFound: No helper has that name.
    """
    if helper in snapshot.rows:
        return snapshot.rows[helper]
    name, instance = split_key(helper)
    instances = [row for key, row in snapshot.rows.items() if limited and split_key(key)[0] == helper]
    if instances:
        spec = replace(instances[0].spec, instance=None, schedules={})
        return CatalogueRow(helper, spec, None, snapshot.overrides.get(helper), "")
    if not create or instance is None or name not in snapshot.rows:
        raise unknown_helper(helper, snapshot.rows)
    spec = replace(snapshot.rows[name].spec, instance=instance, schedules={})
    return CatalogueRow(helper, spec, None, None, "")


def updated_override(before: Override, update: HelperUpdate, reason: str, changed_at: datetime) -> Override:
    """Return an operator's changes so far with one more."""
    given = {name: value for name in _UPDATABLE if (value := getattr(update, name)) is not None}
    if update.has_payload:
        given |= {"payload": update.payload, "has_payload": True}
    if update.limits or update.paused is not None:
        given["limits"] = _updated_limits(before.limits, update, reason)
    return replace(before, reason=reason, changed_at=changed_at, **given)


def _updated_limits(before: LimitsOverride, update: HelperUpdate, reason: str) -> LimitsOverride:
    paused = before.paused if update.paused is None else update.paused
    why = before.pause_reason if update.paused is None else reason
    return LimitsOverride({**before.changes, **update.limits}, paused, why if paused else "")


def check_payload(update: HelperUpdate) -> None:
    """Refuse a payload that can't be kept.

    Raises:
        InvalidPayload: It isn't JSON, or has whole numbers of more than 64 bits.
    """
    if update.has_payload:
        to_json(update.payload, what="The payload")


def refuse_instance(helper: str) -> None:
    """Refuse limits of a single instance.

    Raises:
        Inapplicable: ``helper`` is one.
    """
    name, instance = split_key(helper)
    if instance is not None:
        message = f"'{helper}' is an instance: limits and pauses count a helper with all its instances."
        raise Inapplicable(message, hint=f"Name '{name}', or stop the instance's planning with 'helpers disable'.")


def check_limits(helper: str, spec: HelperSpec, update: HelperUpdate) -> None:
    """Refuse limits that can't be kept.

    Raises:
        InvalidHelper: One is out of range.
        Inapplicable: One is per key where there is no key.
    """
    if spec.limits.key is None and any(value is not None for name, value in update.limits.items() if "per_key" in name):
        message = f"'{helper}' declares no concurrency_key, so it can't be limited per key."
        raise Inapplicable(message, hint="Add concurrency_key to its declaration; it names a field of the payload.")
    LimitsOverride(update.limits).apply(spec.limits)


def with_override(row: CatalogueRow, override: Override) -> HelperSpec:
    """Return what would hold; `HelperSpec` refuses what is out of range."""
    base = row.declared or replace(row.spec, schedules={}, enabled=True)
    return effective_spec(base, override)


def unknown_helper(helper: str, rows: Iterable[str]) -> NotFound:
    """Return the error for a name that no helper has, with the closest one that there is."""
    close = difflib.get_close_matches(helper, list(rows), n=1)
    guess = f"Did you mean '{close[0]}'? " if close else ""
    message = f"No helper is named '{helper}'."
    return NotFound(message, hint=f"{guess}'helperhub helpers list' shows all.")
