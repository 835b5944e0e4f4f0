"""Specs and overrides as the JSON documents that the catalogue keeps, and what both make together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from helperhub.model.duration import to_ms
from helperhub.model.helper import HelperSpec, Overlap, Override, effective_spec, split_key
from helperhub.model.instant import parse_instant, to_rfc3339
from helperhub.model.limits import Limits, LimitsOverride, Rate, parse_rate
from helperhub.model.retry import RetryPolicy
from helperhub.model.schedule import Schedule
from helperhub.schedules.notation import parse_schedule, schedule_to_dict

_OVERRIDE_FIELDS = frozenset(
    {
        "reason",
        "changed_at",
        "enabled",
        "schedules",
        "priority",
        "expires_after_ms",
        "payload",
        "limits",
        "paused",
        "callback",
    }
)


def spec_to_document(spec: HelperSpec) -> dict[str, Any]:
    """Return ``spec`` as JSON; durations in ms."""
    retry = spec.retry
    return {
        "name": spec.name,
        "instance": spec.instance,
        "queue": spec.queue,
        "schedules": {name: schedule_to_dict(schedule) for name, schedule in spec.schedules.items()},
        "priority": spec.priority,
        "expires_after_ms": _ms(spec.expires_after),
        "retry": {
            "max_attempts": retry.max_attempts,
            "min_backoff_ms": to_ms(retry.min_backoff),
            "max_backoff_ms": to_ms(retry.max_backoff),
            "delays_ms": [to_ms(delay) for delay in retry.delays],
            "jitter": retry.jitter,
        },
        "time_limit_ms": _ms(spec.time_limit),
        "overlap": spec.overlap.value,
        "limits": limits_to_document(spec.limits),
        "enabled": spec.enabled,
        "payload": spec.payload,
        "callback": spec.callback,
        "description": spec.description,
        "plugin": spec.plugin,
        "plugin_version": spec.plugin_version,
        # Left out where there are none: what older releases entered stays as it is.
        **({"secret_fields": list(spec.secret_fields)} if spec.secret_fields else {}),
        **({"payload_schema": spec.payload_schema} if spec.payload_schema is not None else {}),
    }


def spec_from_document(document: Mapping[str, Any]) -> HelperSpec:
    """Return the spec that `spec_to_document` wrote; fields of newer releases are passed over.

    Raises:
        UsageError: A value is out of range.
        KeyError: A field is missing.
    """
    retry = document["retry"]
    return HelperSpec(
        name=document["name"],
        instance=document["instance"],
        queue=document["queue"],
        schedules=_schedules(document["schedules"]),
        priority=document["priority"],
        expires_after=_duration(document["expires_after_ms"]),
        retry=RetryPolicy(
            max_attempts=retry["max_attempts"],
            min_backoff=timedelta(milliseconds=retry["min_backoff_ms"]),
            max_backoff=timedelta(milliseconds=retry["max_backoff_ms"]),
            delays=tuple(timedelta(milliseconds=delay) for delay in retry["delays_ms"]),
            jitter=retry["jitter"],
        ),
        time_limit=_duration(document["time_limit_ms"]),
        overlap=Overlap(document["overlap"]),
        limits=_limits(document.get("limits") or {}),
        enabled=document["enabled"],
        payload=document["payload"],
        callback=document.get("callback"),
        description=document["description"],
        plugin=document["plugin"],
        plugin_version=document["plugin_version"],
        secret_fields=tuple(document.get("secret_fields") or ()),
        payload_schema=document.get("payload_schema"),
    )


def override_to_document(override: Override) -> dict[str, Any]:
    """Return ``override`` as JSON, with nothing but what it changes."""
    document: dict[str, Any] = {**override.unknown, "reason": override.reason}
    if override.changed_at is not None:
        document["changed_at"] = to_rfc3339(override.changed_at)
    if override.enabled is not None:
        document["enabled"] = override.enabled
    if override.schedules is not None:
        document["schedules"] = {name: schedule_to_dict(schedule) for name, schedule in override.schedules.items()}
    if override.priority is not None:
        document["priority"] = override.priority
    if override.expires_after is not None:
        document["expires_after_ms"] = to_ms(override.expires_after)
    if override.has_payload:
        document["payload"] = override.payload
    if override.callback is not None:
        document["callback"] = override.callback
    if override.limits.changes:
        document["limits"] = {name: _word(value) for name, value in override.limits.changes.items()}
    if override.limits.paused:
        document["paused"] = override.limits.pause_reason
    return document


def override_from_document(document: Mapping[str, Any]) -> Override:
    """Return the override that `override_to_document` wrote; fields of newer releases are kept as they are."""
    changed_at = document.get("changed_at")
    return Override(
        enabled=document.get("enabled"),
        schedules=_schedules(document["schedules"]) if "schedules" in document else None,
        priority=document.get("priority"),
        expires_after=_duration(document.get("expires_after_ms")),
        payload=document.get("payload"),
        has_payload="payload" in document,
        callback=document.get("callback"),
        limits=LimitsOverride(
            {name: _limit(value) for name, value in document.get("limits", {}).items()},
            "paused" in document,
            document.get("paused", ""),
        ),
        reason=document.get("reason", ""),
        changed_at=parse_instant(changed_at) if changed_at else None,
        unknown={name: value for name, value in document.items() if name not in _OVERRIDE_FIELDS},
    )


def limits_to_document(limits: Limits) -> dict[str, Any]:
    """Return limits as JSON, with nothing but what there is; rates as ``100/m``."""
    values = {
        "concurrency": limits.concurrency,
        "concurrency_key": limits.key,
        "concurrency_per_key": limits.concurrency_per_key,
        "rate": limits.rate,
        "rate_per_key": limits.rate_per_key,
    }
    return {name: _word(value) for name, value in values.items() if value is not None}


def resolve_spec(helper: str, specs: Mapping[str, HelperSpec], override: Override | None) -> HelperSpec | None:
    """Return what holds for ``helper``: its own spec, or its helper's for an instance an operator made.

    Args:
        helper: ``helper[/instance]``.
        specs: The registered specs by key.
        override: The operator's changes of this very key.
    """
    own = specs.get(helper)
    if own is None:
        name, instance = split_key(helper)
        of_helper = specs.get(name)
        if instance is None or of_helper is None or override is None:
            return None
        own = replace(of_helper, instance=instance, schedules={}, enabled=True)
    return effective_spec(own, override)


def _limits(document: Mapping[str, Any]) -> Limits:
    values = {name: _limit(value) for name, value in document.items() if name != "concurrency_key"}
    return Limits(
        values.get("concurrency"),
        document.get("concurrency_key"),
        values.get("concurrency_per_key"),
        values.get("rate"),
        values.get("rate_per_key"),
    )


def _limit(value: Any) -> Any:
    return parse_rate(value) if isinstance(value, str) else value


def _word(value: int | str | Rate | None) -> int | str | None:
    return str(value) if isinstance(value, Rate) else value


def _schedules(document: Mapping[str, Any]) -> dict[str, Schedule]:
    return {name: parse_schedule(value) for name, value in document.items()}


def _ms(duration: timedelta | None) -> int | None:
    return None if duration is None else to_ms(duration)


def _duration(ms: int | None) -> timedelta | None:
    return None if ms is None else timedelta(milliseconds=ms)
