"""What holds for a helper, setting by setting: its value, who says so, and what its author declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from helperhub.hub import Hub
from helperhub.model.duration import format_duration
from helperhub.model.helper import HelperSpec
from helperhub.plugins.spec_checks import STANDARD_EXPIRY
from helperhub.schedules.notation import describe
from helperhub.schedules.spec_document import limits_to_document
from helperhub.settings.filling import section_of
from helperhub.settings.listing import list_plugin_variables
from helperhub.settings.model import PREFIX, QueueSettings
from helperhub.settings.queues import resolve_queue
from helperhub.settings.variables import NESTING
from helperhub.store.catalogue import CatalogueRow
from helperhub.trust.redaction import redact_fields
from helperhub.web.render import show_json

_OVERLAPS = {"skip": "the next is skipped", "queue": "the next waits", "allow": "the next runs beside it"}
_MOST_SHOWN = 300
_NAMEABLE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_HIDDEN = "has secrets, and isn't shown"
#: What a helper is that declares nothing.
_STANDARD = HelperSpec("standard")


@dataclass(frozen=True, slots=True)
class SettingOfHelper:
    """One setting.

    Args:
        name: For people.
        value: As people write it.
        source: ``hand``, ``author``, ``standard`` (its author says nothing, or the same), or ``hub``.
        declared: What its author declares, where that was changed by hand.
        variable: The variable of the hub that says it, or would.
        is_set: Whether that variable is set.
    """

    name: str
    value: str
    source: str
    declared: str = ""
    variable: str = ""
    is_set: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """When and why something was last changed by hand."""

    at: datetime | None
    reason: str


def settings_of(hub: Hub, row: CatalogueRow, document: Mapping[str, Any]) -> list[SettingOfHelper]:
    """Return what holds for a helper, and who says so."""
    tz = hub.helpers.default_tz

    def schedules(spec: HelperSpec) -> str:
        return ", ".join(describe(one, default_tz=tz) for one in spec.schedules.values()) or "none"

    told = _Teller(row)
    found = [
        told.tell("Planned", lambda spec: "yes" if spec.enabled else "no", "enabled"),
        told.tell("Schedule", schedules, "schedules"),
        told.tell("Queue", lambda spec: spec.queue),
        told.tell("Priority", lambda spec: str(spec.priority), "priority"),
        told.tell("Expires after", _expiry, "expires_after"),
        told.tell("Payload", _payload, "payload"),
        told.tell("While it still runs", lambda spec: _OVERLAPS[spec.overlap.value]),
        _limits(row, document),
        told.tell("Callback", lambda spec: spec.callback or "none", "callback"),
    ]
    return [*found, *_of_attempts(hub, row)]


def changed_of(row: CatalogueRow) -> Changed | None:
    """Return when and why a helper was last changed by hand; None if it never was."""
    return None if row.override is None else Changed(row.override.changed_at, row.override.reason)


def variables_of(hub: Hub, distribution: str) -> list[tuple[str, str, str]]:
    """Return the variables that are set for a distribution's plugins: name, value, source; secrets as ``***``.

    None are known before a scheduler has told what is installed.
    """
    found = hub.installed.show()
    plugins = [one["name"] for one in found["plugins"] if one["distribution"] == distribution] if found else []
    starts = tuple(f"{PREFIX}{section_of(name)}{NESTING}" for name in plugins)
    return [one for one in list_plugin_variables(hub.loaded) if one[0].upper().startswith(starts)] if starts else []


class _Teller:
    """Compares what holds with what is declared and what is standard."""

    def __init__(self, row: CatalogueRow) -> None:
        self._row = row
        changes = row.override
        self._changed = set()
        if changes is not None:
            names = ("enabled", "schedules", "priority", "expires_after", "callback")
            self._changed = {name for name in names if getattr(changes, name) is not None}
            self._changed |= {"payload"} if changes.has_payload else set()

    def tell(self, name: str, show: Callable[[HelperSpec], str], field: str = "") -> SettingOfHelper:
        value, declared = show(self._row.spec), self._row.declared
        if field in self._changed or declared is None:
            was = show(declared) if declared is not None else ""
            return SettingOfHelper(name, value, "hand" if field in self._changed else "author", was)
        standard = replace(_STANDARD, expires_after=STANDARD_EXPIRY if declared.schedules else None)
        return SettingOfHelper(name, value, "standard" if value == show(standard) else "author")


def _expiry(spec: HelperSpec) -> str:
    return format_duration(spec.expires_after) if spec.expires_after else "never"


def _payload(spec: HelperSpec) -> str:
    if spec.payload is None:
        return "none"
    if redact_fields(spec.payload, spec.secret_fields) != spec.payload:
        return _HIDDEN
    text = show_json(spec.payload)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}\u2026"


def _limits(row: CatalogueRow, document: Mapping[str, Any]) -> SettingOfHelper:
    value, declared = _list_limits(document["limits"]), _list_limits(limits_to_document(row.spec.limits))
    # Those of an instance are its helper's, with all that was changed there.
    if value != declared:
        return SettingOfHelper("Limits", value, "hand", declared)
    return SettingOfHelper("Limits", value, "standard" if value == "none" else "author")


def _list_limits(limits: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in limits.items()) or "none"


def _of_attempts(hub: Hub, row: CatalogueRow) -> list[SettingOfHelper]:
    """Return what the queue says where the author doesn't."""
    spec = row.spec
    own, rules = hub.settings.queues.get(spec.queue, QueueSettings()), resolve_queue(hub.settings, spec.queue)
    by_author, by_queue = spec.retry.max_attempts, own.max_attempts
    attempts = _or_queue("Attempts, at most", "MAX_ATTEMPTS", spec.queue, str(rules.max_attempts), by_queue)
    if by_author is not None:
        attempts = SettingOfHelper(attempts.name, str(by_author), "author")
    limit = _or_queue(
        "Time limit of an attempt", "TIME_LIMIT", spec.queue, format_duration(rules.time_limit), own.time_limit
    )
    if spec.time_limit is not None:
        limit = SettingOfHelper(limit.name, format_duration(spec.time_limit), "author")
    retry = spec.retry
    doubling = f"{format_duration(retry.min_backoff)}, doubling up to {format_duration(retry.max_backoff)}"
    between = ", ".join(map(format_duration, retry.delays)) or doubling
    is_standard = replace(retry, max_attempts=None) == _STANDARD.retry
    return [attempts, limit, SettingOfHelper("Between attempts", between, "standard" if is_standard else "author")]


def _or_queue(name: str, setting: str, queue: str, value: str, own: object) -> SettingOfHelper:
    # Of another queue, no variable can be the name.
    variable = f"{PREFIX}QUEUES{NESTING}{queue.upper()}{NESTING}{setting}" if _NAMEABLE.fullmatch(queue) else ""
    return SettingOfHelper(name, value, "hub", "", variable, own is not None)


__all__ = ["Changed", "SettingOfHelper", "changed_of", "settings_of", "variables_of"]
