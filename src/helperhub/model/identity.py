"""Execution ids: planned ones name helper, schedule and second; others are time-ordered."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from helperhub.errors import UsageError
from helperhub.model.instant import from_stamp, to_stamp

#: Crockford's base 32, whose order is that of the bytes it encodes (https://www.crockford.com/base32.html).
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: Two letters at once: ids are made for every message.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_CALLER_ID = re.compile(r"[!-~]{1,200}")
#: Of executions that follow from another: its failure notice, its callback.
OWN_PREFIXES = ("notice:", "callback:", "alert:")


class ExecutionId(str):
    """The id of an execution that was asked for; ``existed`` tells whether it was there before."""

    __slots__ = ("existed",)

    existed: bool

    def __new__(cls, text: str, *, existed: bool = False) -> Self:
        """Return ``text`` as the id of an execution.

        Args:
            text: The id.
            existed: Whether the call found it, by its id or unique key, and enqueued nothing.
        """
        made = super().__new__(cls, text)
        made.existed = existed
        return made


@dataclass(frozen=True, slots=True)
class PlannedId:
    """One planned time of one schedule of one helper.

    Args:
        helper: ``helper`` or ``helper/instance``.
        schedule: The schedule's name, ``""`` for the unnamed one.
        planned_at: The schedule's moment, a whole UTC second.
    """

    helper: str
    schedule: str
    planned_at: datetime

    @property
    def slot(self) -> str:
        """``[#schedule]@20261123T083000Z``: the id within its helper's plan."""
        name = f"#{self.schedule}" if self.schedule else ""
        return f"{name}@{to_stamp(self.planned_at)}"

    def __str__(self) -> str:
        """Return the execution id, ``helper[/instance][#schedule]@20261123T083000Z``."""
        return self.helper + self.slot


def parse_planned_id(execution_id: str) -> PlannedId | None:
    """Return the parts of a planned execution's id, or None if it isn't one.

    >>> parse_planned_id("weather/berlin#digest@20261123T083000Z").schedule
    'digest'
    """
    head, at, stamp = execution_id.rpartition("@")
    if not at:
        return None
    helper, _, schedule = head.partition("#")
    try:
        return PlannedId(helper, schedule, from_stamp(stamp))
    except UsageError:
        return None


def new_execution_id() -> str:
    """Return a fresh id of 22 characters: 50 bits of milliseconds, then 60 bits of chance.

    Ids made in different milliseconds sort by time, whoever made them.
    """
    now_ms = time.time_ns() // 1_000_000
    number = (now_ms & (2**50 - 1)) << 60 | int.from_bytes(os.urandom(8)) >> 4
    p, n = _PAIRS, number
    return (
        p[n >> 100] + p[n >> 90 & 1023] + p[n >> 80 & 1023] + p[n >> 70 & 1023] + p[n >> 60 & 1023] + p[n >> 50 & 1023]
        + p[n >> 40 & 1023] + p[n >> 30 & 1023] + p[n >> 20 & 1023] + p[n >> 10 & 1023] + p[n & 1023]
    )  # fmt: skip


def check_caller_id(execution_id: str) -> str:
    """Return an id that a caller chose, if it can be one.

    Raises:
        UsageError: It is empty, longer than 200 characters, has blanks or unprintable characters,
            looks like a planned execution's, or like one that follows from another.
    """
    if not _CALLER_ID.fullmatch(execution_id):
        message = f"'{execution_id[:80]}' can't be an execution's id."
        raise UsageError(message, hint="Take 1 to 200 printable ASCII characters without blanks.")
    if parse_planned_id(execution_id) is not None:
        message = f"'{execution_id}' looks like a planned execution's id."
        raise UsageError(message, hint="Ids that end in @ and a planned time are HelperHub's own.")
    # Whoever took such an id first would keep that notice or callback from being sent.
    if execution_id.startswith(OWN_PREFIXES):
        message = f"'{execution_id}' looks like the id of what follows from an execution."
        raise UsageError(message, hint=f"Ids that begin with {' or '.join(OWN_PREFIXES)} are HelperHub's own.")
    return execution_id
