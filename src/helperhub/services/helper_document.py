"""A helper as every face shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from helperhub.model.duration import format_duration
from helperhub.model.helper import HelperSpec, split_key
from helperhub.model.instant import to_rfc3339
from helperhub.model.limits import HeldLimits
from helperhub.schedules.notation import describe, schedule_to_dict
from helperhub.schedules.spec_document import limits_to_document, override_to_document
from helperhub.store.catalogue import CatalogueRow


def document_of(
    row: CatalogueRow, held: HeldLimits, *, next_due_at: datetime | None, default_tz: str
) -> dict[str, Any]:
    """Return one helper or instance as a document.

    Args:
        row: Its row of the catalogue.
        held: What holds the helper with all its instances back.
        next_due_at: When it is due next.
        default_tz: IANA name of the zone for schedules that name none.
    """
    spec = row.spec
    name, instance = split_key(row.helper)
    schedules = spec.schedules.values()
    return {
        "name": row.helper,
        "helper": name,
        "instance": instance,
        "enabled": spec.enabled,
        "queue": spec.queue,
        "priority": spec.priority,
        "schedule": ", ".join(describe(schedule, default_tz=default_tz) for schedule in schedules),
        "schedules": {key: schedule_to_dict(schedule) for key, schedule in spec.schedules.items()},
        "next_due_at": to_rfc3339(next_due_at) if next_due_at else None,
        "expires_after": format_duration(spec.expires_after) if spec.expires_after else None,
        "max_attempts": spec.retry.max_attempts,
        "time_limit": format_duration(spec.time_limit) if spec.time_limit else None,
        "overlap": spec.overlap.value,
        "limits": limits_to_document(held.limits),
        "paused": held.paused,
        "pause_reason": held.pause_reason or None,
        "payload": spec.payload,
        "callback": spec.callback,
        "description": spec.description,
        "plugin": spec.plugin,
        "plugin_version": spec.plugin_version,
        "override": override_to_document(row.override) if row.override else None,
    }


def read_payload_schema(spec: HelperSpec) -> Any:
    """Return the JSON Schema of a helper's payloads; None if it has none, or one that can't be read."""
    try:
        return None if spec.payload_schema is None else orjson.loads(spec.payload_schema)
    except (orjson.JSONDecodeError, TypeError):
        return None


__all__ = ["document_of", "read_payload_schema"]
