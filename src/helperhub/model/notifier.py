"""A way to tell people of alerts, as core and plugins bring it in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from helperhub.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


@dataclass(frozen=True, slots=True)
class Notifier:
    """One target.

    Args:
        name: What executions, lists and logs call it, and so nothing secret; the same in every process that has the
            same settings, for the scheduler names it and a worker process looks it up.
        send: Tells it: is given ``{"type": ..., "timestamp": ..., "data": {"title": ..., "text": ..., "alerts":
            [...]}}``, returns what is kept as the execution's result, and raises what it is tried again after.
        second: Whether it is told only of what nobody acknowledged.

    Raises:
        UsageError: The name can't be used.
    """

    name: str
    send: Callable[[Mapping[str, Any]], Mapping[str, Any]] = field(repr=False)
    second: bool = False

    def __post_init__(self) -> None:
        """Refuse a name that would not do in an id."""
        if not _NAME.fullmatch(self.name):
            message = f"'{self.name}' can't be the name of a way to tell of alerts."
            raise UsageError(message, hint="Take up to 100 letters, digits, dots, colons, dashes or underscores.")


__all__ = ["Notifier"]
