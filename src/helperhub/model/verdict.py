"""What the policies decided about an attempt; the settle script carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """The closed set of ends an attempt can have; the values are the settle script's."""

    DONE = "done"
    RETRY = "retry"
    DEAD = "dead"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    #: A policy left it out.
    SKIPPED = "skipped"
    #: Started, and interrupted by a stopping worker: it goes back and no attempt is used up.
    INTERRUPTED = "interrupted"
    #: Said by the keeper: its process was killed for it, because it ran past its hard limit.
    OVERRUN = "overrun"
    #: Never started here: it goes back as it came and the delivery isn't counted.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with what follows from it.

    Args:
        outcome: How the attempt ended.
        delay: For a retry, how long to wait.
        reason: One line for people; empty when the outcome says it all.
    """

    outcome: Outcome
    delay: timedelta = timedelta(0)
    reason: str = ""


DONE = Verdict(Outcome.DONE)
RETURNED = Verdict(Outcome.RETURNED)
