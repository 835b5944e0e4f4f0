"""The rules of a queue: what its settings say, else what is standard for its name (FEATURES Q2, Q4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from helperhub.settings.model import QueueSettings, Settings

#: The three queues everybody has, first served first.
STANDARD_QUEUES = ("high", "default", "low")
_TIME_LIMITS = {"high": timedelta(hours=1), "default": timedelta(hours=2), "low": timedelta(hours=4)}
_OTHER_TIME_LIMIT = timedelta(minutes=10)
_MAX_ATTEMPTS = {"low": 3}
_OTHER_MAX_ATTEMPTS = 4
_RESULT_TTLS = {"low": timedelta(hours=12)}


@dataclass(frozen=True, slots=True)
class ResolvedQueue:
    """One queue's rules, complete.

    Args:
        time_limit: How long one attempt may take, unless its helper says otherwise.
        max_attempts: Starts in all, the first included.
        result_ttl: How long successes are kept.
        max_depth: Most executions that may wait in it; None means no bound.
        shard: Where its new executions go.
    """

    time_limit: timedelta
    max_attempts: int
    result_ttl: timedelta
    max_depth: int | None
    shard: int = 0


def resolve_queue(settings: Settings, name: str) -> ResolvedQueue:
    """Return the rules of the queue ``name``."""
    queue = settings.queues.get(name, QueueSettings())
    return ResolvedQueue(
        time_limit=queue.time_limit or _TIME_LIMITS.get(name, _OTHER_TIME_LIMIT),
        max_attempts=queue.max_attempts or _MAX_ATTEMPTS.get(name, _OTHER_MAX_ATTEMPTS),
        result_ttl=queue.result_ttl or _RESULT_TTLS.get(name, settings.history.keep),
        max_depth=queue.max_depth,
        shard=queue.shard or 0,
    )


def list_rules(settings: Settings) -> dict[str, str]:
    """Return what scripts have to know of queues, as `lua/parts/limits.lua` reads it.

    ``queue:<name>`` is most running at once (0: no bound) and the order, ``all`` is most running of the hub.
    """
    rules = {
        f"queue:{name}": f"{queue.max_running or 0} {queue.order or 'priority'}"
        for name, queue in settings.queues.items()
        if queue.max_running or queue.order == "deadline"
    }
    return rules | ({"all": str(settings.max_running)} if settings.max_running else {})
