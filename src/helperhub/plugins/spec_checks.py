"""From what an author declared to a spec that can be stored, every value checked."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from helperhub.errors import InvalidHelper
from helperhub.model.helper import DEFAULT_QUEUE, HelperSpec, Overlap, priority_of_actor
from helperhub.model.retry import RetryPolicy
from helperhub.model.schedule import Schedule
from helperhub.plugins.declaration import Declaration

#: A scheduled helper that declares no expiry isn't started later than this after its due time.
STANDARD_EXPIRY = timedelta(hours=1)
_YEAR_MS = 365 * 86_400_000


def build_spec(
    declaration: Declaration,
    key: str,
    instance: str | None,
    schedules: Mapping[str, Schedule],
    values: Mapping[str, Any],
) -> HelperSpec:
    """Return the spec of a helper or one instance of it.

    Args:
        declaration: What the author declared.
        key: ``helper`` or ``helper/instance``, for messages.
        instance: The instance's name, or None.
        schedules: Its checked schedules, by name.
        values: What replaces the declared values, by the names of `HelperSpec`.

    Raises:
        InvalidHelper: A value can't be used.
    """
    _check_types(key, values)
    changes = dict(values)
    if "overlap" in changes:
        changes["overlap"] = _read_overlap(key, changes["overlap"])
    payload = _to_json(key, changes.pop("payload", declaration.spec.payload))
    spec = replace(declaration.spec, instance=instance, schedules=schedules, payload=payload, **changes)
    if schedules or payload is not None:
        _check_payload(key, payload, declaration.payload_model)
    if schedules and spec.expires_after is None:
        spec = replace(spec, expires_after=STANDARD_EXPIRY)
    return spec


def _check_types(key: str, values: Mapping[str, Any]) -> None:
    kinds: dict[str, type] = {
        "expires_after": timedelta,
        "time_limit": timedelta,
        "retry": RetryPolicy,
        "priority": int,
    }
    for name, kind in kinds.items():
        value = values.get(name)
        if value is not None and not isinstance(value, kind):
            message = f"Helper '{key}' has {name}={value!r}, which is not a {kind.__name__}."
            hint = f"Write {name}=timedelta(seconds={value})." if kind is timedelta and _is_number(value) else ""
            raise InvalidHelper(message, hint=hint)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_overlap(key: str, value: Overlap | str) -> Overlap:
    try:
        return Overlap(value)
    except ValueError as error:
        message = f"Helper '{key}' has overlap='{value}', which is not an overlap policy."
        raise InvalidHelper(message, hint="Take 'skip', 'queue' or 'allow'.") from error


def _to_json(key: str, payload: Any) -> Any:
    """Return ``payload`` as its JSON reads back, so that author and helper see the same."""
    dump: Callable[..., Any] | None = getattr(payload, "model_dump", None)
    try:
        return json.loads(json.dumps(dump(mode="json") if dump else payload, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        message = f"Helper '{key}' has a payload that is not JSON: {error}."
        raise InvalidHelper(message, hint="Use dicts, lists, texts, numbers, true, false and None.") from error


def _check_payload(key: str, payload: Any, model: Any) -> None:
    """Refuse a payload, or none, that every scheduled execution would fail over."""
    if model is None:
        return
    try:
        model.model_validate({} if payload is None else payload)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, flaw['loc'])) or 'payload'}: {flaw['msg']}"
            for flaw in error.errors(include_input=False, include_url=False)
        )
        what = "a payload that doesn't fit" if payload is not None else "a schedule but no payload, which doesn't fit"
        message = f"Helper '{key}' has {what} its payload model {model.__name__}: {places}."
        # Not chained: pydantic's own message shows values.
        raise InvalidHelper(message) from None


def declare_actor(actor: Any) -> Declaration:
    """Return what a plain Dramatiq actor says of itself; Dramatiq counts in milliseconds and retries.

    Raises:
        InvalidHelper: Its name or a value can't be used.
    """
    options = actor.options
    retries = options.get("max_retries")
    usual = RetryPolicy()
    retry = RetryPolicy(
        max_attempts=None if retries is None else retries + 1,
        min_backoff=_from_ms(options.get("min_backoff")) or usual.min_backoff,
        max_backoff=_from_ms(options.get("max_backoff")) or usual.max_backoff,
    )
    throws = options.get("throws") or ()
    spec = HelperSpec(
        name=actor.actor_name,
        queue=actor.queue_name or DEFAULT_QUEUE,
        priority=priority_of_actor(actor.priority),
        retry=retry,
        time_limit=_from_ms(options.get("time_limit")),
        description=(inspect.getdoc(actor.fn) or "").partition("\n")[0],
    )
    return Declaration(spec, throws=throws if isinstance(throws, tuple) else (throws,))


def _from_ms(value: float | timedelta | None) -> timedelta | None:
    # Dramatiq's "no limit" is float("inf"); a year is as good.
    return timedelta(milliseconds=min(value, _YEAR_MS)) if isinstance(value, int | float) else value
