"""What an author declares (spec), what an operator changed (override), and both together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.callback_url import parse_callback_url
from helperhub.model.limits import NO_CHANGES, NO_LIMITS, Limits, LimitsOverride
from helperhub.model.retry import RetryPolicy
from helperhub.model.schedule import Schedule

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,62}", re.IGNORECASE)
_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,80}")
#: Paths of the HTTP API that a helper's name would hide (FEATURES W5).
RESERVED_NAMES = frozenset({"status", "executions"})
#: Last words of the HTTP API's paths below a helper: an instance of that name couldn't be shown there.
RESERVED_INSTANCES = frozenset({"enable", "disable", "pause", "resume", "reset", "run"})
DEFAULT_QUEUE = "default"
PRIORITIES = range(1, 6)


class Overlap(StrEnum):
    """What happens to a due execution while an earlier one of its helper is still active."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class HelperSpec:
    """What a plugin's author declares for one helper or one instance of it.

    Args:
        name: The helper's name, also its actor's.
        instance: Name of the instance, or None for the helper itself.
        queue: ``high``, ``default``, ``low`` or a queue of the author's own.
        schedules: Rules that yield due times, by schedule name; ``""`` is the unnamed one. Empty
            for helpers that only run when somebody asks.
        priority: 1 (first) to 5 within its queue.
        expires_after: It isn't started later than its due time plus this; None means never expires.
        retry: When a failed attempt is followed by another.
        time_limit: How long one attempt may take; None means its queue's.
        overlap: What happens while an earlier execution is still active.
        limits: How much of it, with all its instances, may run at once and start.
        enabled: Whether its schedules are planned.
        payload: What a scheduled execution is given; JSON.
        callback: URL that is told of each end; None tells nobody.
        description: One line for people.
        plugin: The distribution that ships it, such as ``helperhub-weather``.
        plugin_version: That distribution's version.
        secret_fields: Names of fields of the payload that nobody is to see.
        payload_schema: JSON Schema that payloads must fit, as text, so that ten thousand of them cost little;
            None where no model is declared, or none could be made of it.

    Raises:
        InvalidHelper: A value is out of range.
    """

    name: str
    instance: str | None = None
    queue: str = DEFAULT_QUEUE
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    priority: int = 3
    expires_after: timedelta | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    time_limit: timedelta | None = None
    overlap: Overlap = Overlap.SKIP
    limits: Limits = NO_LIMITS
    enabled: bool = True
    payload: Any = None
    callback: str | None = None
    description: str = ""
    plugin: str = ""
    plugin_version: str = ""
    secret_fields: tuple[str, ...] = ()
    payload_schema: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would not work later."""
        _check_names(self)
        _check_ranges(self)

    @property
    def key(self) -> str:
        """``helper`` or ``helper/instance``: what the catalogue, the plan and people call it."""
        return self.name if self.instance is None else f"{self.name}/{self.instance}"


@dataclass(frozen=True, slots=True)
class Override:
    """What an operator changed at run time; None leaves the spec's value.

    Args:
        enabled: Switches planning on or off.
        schedules: Replaces all schedules of the spec.
        priority: 1 to 5.
        expires_after: Replaces the spec's expiry.
        payload: Replaces the payload of scheduled executions; ``has_payload`` tells None apart.
        has_payload: Whether ``payload`` counts.
        callback: Replaces the spec's callback; an empty text means none.
        limits: Changes the spec's limits, and holds executions back; a helper's own, with all its instances.
        reason: Why, in the operator's words.
        changed_at: When it was last changed.
        unknown: What a newer release wrote beside these; kept for it.
    """

    enabled: bool | None = None
    schedules: Mapping[str, Schedule] | None = None
    priority: int | None = None
    expires_after: timedelta | None = None
    payload: Any = None
    has_payload: bool = False
    callback: str | None = None
    limits: LimitsOverride = NO_CHANGES
    reason: str = ""
    changed_at: datetime | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)


def effective_spec(spec: HelperSpec, override: Override | None) -> HelperSpec:
    """Return ``spec`` as the operator's ``override`` leaves it.

    Raises:
        InvalidHelper: The override holds a value out of range.
    """
    if override is None:
        return spec
    changes: dict[str, Any] = {
        name: value
        for name in ("enabled", "schedules", "priority", "expires_after")
        if (value := getattr(override, name)) is not None
    }
    if override.has_payload:
        changes["payload"] = override.payload
    if override.callback is not None:
        changes["callback"] = override.callback or None
    return replace(spec, **changes) if changes else spec


@lru_cache(maxsize=4096)
def split_key(key: str) -> tuple[str, str | None]:
    """Return the helper's name and its instance, or None, from ``helper[/instance]``."""
    name, slash, instance = key.partition("/")
    return name, instance if slash else None


def priority_of_actor(priority: int) -> int:
    """Return the priority, 1 to 5, that stands for a Dramatiq actor's: its usual 0 is 3, lower goes first.

    >>> [priority_of_actor(given) for given in (-10, -1, 0, 1, 10)]
    [1, 2, 3, 4, 5]
    """
    return max(PRIORITIES[0], min(PRIORITIES[-1], 3 + priority))


def _check_names(spec: HelperSpec) -> None:
    if not _NAME.fullmatch(spec.name):
        message = f"'{spec.name}' can't be a helper's name."
        raise InvalidHelper(message, hint="Take a letter, then up to 62 letters, digits, dots, dashes or underscores.")
    if spec.name in RESERVED_NAMES:
        message = f"'{spec.name}' is reserved: it is a path of the HTTP API."
        raise InvalidHelper(message, hint="Take another name.")
    if spec.instance is not None and not _INSTANCE.fullmatch(spec.instance):
        message = f"'{spec.instance}' can't be an instance's name (helper '{spec.name}')."
        raise InvalidHelper(message, hint="Take 1 to 80 letters, digits, dots, dashes or underscores.")
    if spec.instance in RESERVED_INSTANCES:
        message = f"'{spec.key}' can't be an instance: '{spec.instance}' is the end of a path of the HTTP API."
        raise InvalidHelper(message, hint="Take another name for the instance.")
    for name in (*spec.schedules, spec.queue):
        if name and not _INSTANCE.fullmatch(name):
            message = f"'{name}' can't be the name of a queue or schedule (helper '{spec.key}')."
            raise InvalidHelper(message, hint="Take 1 to 80 letters, digits, dots, dashes or underscores.")


def _check_ranges(spec: HelperSpec) -> None:
    if spec.priority not in PRIORITIES:
        message = f"Helper '{spec.key}' has priority {spec.priority}."
        raise InvalidHelper(message, hint="Take 1 (first) to 5.")
    for name in ("expires_after", "time_limit"):
        value = getattr(spec, name)
        if value is not None and value <= timedelta(0):
            message = f"Helper '{spec.key}' has {name}={value}."
            raise InvalidHelper(message, hint="Take more than nothing, or None.")
    if spec.callback is not None:
        try:
            parse_callback_url(spec.callback)
        except UsageError as error:
            message = f"Helper '{spec.key}': {error.message}"
            raise InvalidHelper(message, hint=error.hint) from error
