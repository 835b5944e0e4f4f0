"""What executions were given up for: those that failed alike have one fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helperhub.model.execution import Execution
from helperhub.model.helper import split_key
from helperhub.model.instant import to_rfc3339

_FINGERPRINT_LENGTH = 16
_MOST_OF_A_MESSAGE = 300
_FRAME = re.compile(
    r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>.+)\n(?:    (?P<text>.+))?', re.M
)
#: Whoever calls helpers and actors: what comes behind the last of these is the helper's own, and what that calls.
_CALLERS = ("/helperhub/broker/running.py", "/helperhub/middleware/actor_calls.py", "/dramatiq/actor.py")
_PARTS = (
    # An apostrophe within a word opens nothing.
    (re.compile(r"""(?<!\w)(['"`])(?:(?!\1).)*\1(?!\w)"""), "'...'"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "ID"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "ID"),
    # Digests, tokens and our own ids: long, and of letters and digits.
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]{12,}\b"), "ID"),
    (re.compile(r"(?<![A-Za-z])[+-]?\d+(?:[.,:]\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why executions were given up.

    Args:
        helper: The helper, whatever its instance.
        type: The exception's class; empty where there was none.
        place: Where in the helper's own code it failed: file, function and line of code; empty if that isn't known.
        message: The exception's text, or the reason, without what differs from one execution to the next.
    """

    helper: str
    type: str
    place: str
    message: str

    @property
    def fingerprint(self) -> str:
        """A short name for it that stays the same when the code above or below moves."""
        text = "\0".join((self.helper, self.type, self.place, self.message))
        return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_LENGTH]


@dataclass(slots=True)
class CauseGroup:
    """Dead letters of one cause.

    Args:
        cause: The cause.
        count: How many there are.
        first_seen: When the oldest was given up.
        last_seen: When the newest was.
        example: The newest one's id.
    """

    cause: Cause
    count: int
    first_seen: datetime | None
    last_seen: datetime | None
    example: str

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        first, last = (None if at is None else to_rfc3339(at) for at in (self.first_seen, self.last_seen))
        return {
            "fingerprint": self.cause.fingerprint,
            "helper": self.cause.helper,
            "type": self.cause.type,
            "place": self.cause.place,
            "message": self.cause.message,
            "count": self.count,
            "first_seen": first,
            "last_seen": last,
            "example": self.example,
        }


def cause_of(execution: Execution) -> Cause:
    """Return why an execution was given up, from its last error, or its reason where there is no error."""
    helper = split_key(execution.helper)[0]
    if not execution.errors:
        # What it was replayed as is no cause.
        return Cause(helper, "", "", plain_message(execution.reason.partition(" (replayed as ")[0]))
    error = execution.errors[-1]
    return Cause(helper, error.type, own_place(error.traceback), plain_message(error.message))


def plain_message(text: str) -> str:
    """Return the first line of an error's text without numbers, ids and what is quoted.

    >>> plain_message("order 4711 of 'ada' can't be shipped")
    "order N of '...' can't be shipped"
    """
    line = next(iter(text.strip().splitlines()), "")[:_MOST_OF_A_MESSAGE]
    for pattern, instead in _PARTS:
        line = pattern.sub(instead, line)
    return line.strip()


def own_place(traceback: str) -> str:
    """Return the place of a traceback's last line in the helper's own code, such as ``mail.py, in send: raise ...``.

    Its own are the files beside the first one that HelperHub called, and those below them. A line is named by its
    code, not by its number, which changes with every release.
    """
    # Chained exceptions come first: the last traceback is that of the error itself.
    last = traceback.rpartition("Traceback (most recent call last):\n")[2]
    frames = list(_FRAME.finditer(last))
    called = max((at for at, frame in enumerate(frames) if frame["file"].endswith(_CALLERS)), default=-1)
    frames = frames[called + 1 :]
    if not frames:
        return ""
    root = frames[0]["file"].rpartition("/")[0]
    own = [frame for frame in frames if frame["file"].startswith(f"{root}/") and not _is_below_packages(frame, root)]
    found = (own or frames[:1])[-1]
    file, code = found["file"].removeprefix(f"{root}/"), found["text"] or f"line {found['line']}"
    return f"{file}, in {found['function']}: {code.strip()}"


def group_causes(executions: Iterable[Execution]) -> list[CauseGroup]:
    """Return dead letters by their cause, the most frequent first.

    Args:
        executions: The dead letters, newest first.
    """
    groups: dict[Cause, CauseGroup] = {}
    for execution in executions:
        cause, at = cause_of(execution), execution.finished_at
        group = groups.get(cause)
        if group is None:
            groups[cause] = CauseGroup(cause, 1, at, at, execution.id)
        else:
            group.count += 1
            group.first_seen = at or group.first_seen
    return sorted(groups.values(), key=lambda group: (-group.count, group.cause.fingerprint))


def _is_below_packages(frame: re.Match[str], root: str) -> bool:
    # Of a helper in a project's root directory, the virtual environment may stand below it.
    return "/site-packages/" in frame["file"].removeprefix(root)


__all__ = ["Cause", "CauseGroup", "cause_of", "group_causes", "own_place", "plain_message"]
