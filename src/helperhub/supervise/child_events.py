"""What happens to child processes."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any


class AfterExit(StrEnum):
    """What follows the end of a child."""

    RESTART = "restart"
    REPLACE = "replace"
    STOPPED = "stopped"
    DONE = "done"
    BAD_CONFIGURATION = "bad_configuration"


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """The child's process exists."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class ChildReady:
    """The child says that it is ready."""

    name: str
    pid: int
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChildReported:
    """The child says anything else."""

    name: str
    pid: int
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChildExited:
    """The child's process is gone, and reaped."""

    name: str
    pid: int
    returncode: int
    """Exit status; negative for the signal that ended it."""
    then: AfterExit

    @property
    def signal_name(self) -> str | None:
        """Name of the signal that ended it, such as ``SIGKILL``, or None."""
        if self.returncode >= 0:
            return None
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:  # real-time signals have no names
            return f"signal {-self.returncode}"


@dataclass(frozen=True, slots=True)
class ChildNotStarted:
    """The operating system refused to start the child again."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChildRestarting:
    """The child is started again after ``delay``."""

    name: str
    delay: timedelta


ChildEvent = ChildStarted | ChildReady | ChildReported | ChildExited | ChildNotStarted | ChildRestarting
