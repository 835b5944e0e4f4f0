"""The options ``unique_key`` and ``unique_for``: of executions with one key, there is one.

The key belongs to a helper, in the shard of its queue. It is held until its execution ends or, with
``unique_for``, for so long from enqueueing on, whatever becomes of it; see docs/decisions/0021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

from helperhub.errors import UsageError
from helperhub.model.duration import to_ms
from helperhub.store.record import MAX_NAME_BYTES

#: The message options that are read here.
UNIQUE_OPTIONS = ("unique_key", "unique_for")


def read_unique(options: Mapping[str, Any], *, group: str) -> tuple[str, int]:
    """Return a message's unique key, empty if it has none, and how many ms it is held (0: until its end).

    Args:
        options: The message's, with ``unique_key`` and ``unique_for`` (a timedelta or ms) or without.
        group: The group that the message is counted in; empty if none.

    Raises:
        UsageError: The key or the time can't be used, or it is a member of a group.
    """
    key, duration = options.get("unique_key"), options.get("unique_for")
    if key is None:
        if duration is not None:
            _refuse("unique_for without unique_key.", "Give both, or neither.")
        return "", 0
    if not isinstance(key, str) or not key or len(key.encode(errors="replace")) > MAX_NAME_BYTES:
        _refuse(f"unique_key={key!r} can't be used.", f"Take a text of 1 to {MAX_NAME_BYTES} bytes.")
    if group:
        # The execution that has the key already isn't counted in this group, which would never be complete.
        _refuse("A member of a group can't have a unique_key.", "Give it to what runs the group.")
    return key, 0 if duration is None else _read_duration(duration)


def _read_duration(duration: object) -> int:
    ms: object = to_ms(duration) if isinstance(duration, timedelta) else duration
    if isinstance(ms, bool) or not isinstance(ms, int | float) or not math.isfinite(ms) or ms < 1:
        _refuse(f"unique_for={duration!r} can't be used.", "Take a timedelta, or milliseconds: 1 or more.")
    return int(ms)


def _refuse(what: str, hint: str) -> NoReturn:
    raise UsageError(what, hint=hint)
