"""When a planned execution is enqueued: its planned time, put off by its schedule's jitter."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b

from helperhub.model.duration import to_ms
from helperhub.model.instant import to_stamp
from helperhub.model.schedule import Once, Schedule


def due_at(schedule: Schedule, planned_at: datetime, *, key: str) -> datetime:
    """Return ``planned_at`` plus 0 to ``schedule.jitter``, in whole milliseconds.

    The delay comes from a hash of ``key`` and the planned second, so every scheduler on every machine
    and after every restart computes the same one, while helpers that share a second spread out. The
    identity is the planned time's and knows no jitter.

    Args:
        schedule: The rule that yielded ``planned_at``.
        planned_at: Aware, one of the schedule's `due_times`.
        key: Whose execution it is: ``helper[/instance]`` and the schedule's name.
    """
    span_ms = 0 if isinstance(schedule, Once) else to_ms(schedule.jitter)
    if span_ms <= 0:
        return planned_at
    digest = blake2b(f"{key}@{to_stamp(planned_at)}".encode(), digest_size=8).digest()
    return planned_at + timedelta(milliseconds=int.from_bytes(digest) % (span_ms + 1))
