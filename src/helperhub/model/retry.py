"""When a failed attempt is followed by another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from helperhub.errors import InvalidHelper


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which delays a helper is tried.

    Args:
        max_attempts: Starts in all, the first included; None means its queue's (FEATURES Q2:
            high and default 4, low 3).
        min_backoff: Delay after the first attempt; doubles with every further one.
        max_backoff: Longest delay.
        delays: A fixed list that replaces the doubling; its last entry repeats.
        jitter: 0.0 to 1.0; the part of each delay that chance may add.

    Raises:
        InvalidHelper: A value is out of range.
    """

    max_attempts: int | None = None
    min_backoff: timedelta = timedelta(seconds=15)
    max_backoff: timedelta = timedelta(hours=1)
    delays: tuple[timedelta, ...] = ()
    jitter: float = 0.25

    def __post_init__(self) -> None:
        """Refuse values that can't be followed."""
        if self.max_attempts is not None and not 1 <= self.max_attempts <= 1000:
            message = f"max_attempts={self.max_attempts} is out of range."
            raise InvalidHelper(message, hint="Take 1 (never retried) to 1000, or None for the queue's.")
        if not 0.0 <= self.jitter <= 1.0:
            message = f"jitter={self.jitter} is out of range."
            raise InvalidHelper(message, hint="Take 0.0 to 1.0.")
        if not timedelta(0) <= self.min_backoff <= self.max_backoff:
            message = f"min_backoff={self.min_backoff} is not between 0 and max_backoff={self.max_backoff}."
            raise InvalidHelper(message)
        if any(delay < timedelta(0) for delay in self.delays):
            message = "A delay is negative."
            raise InvalidHelper(message)


def backoff(attempt: int, policy: RetryPolicy, *, spread: float) -> timedelta:
    """Return how long to wait before the attempt that follows ``attempt``.

    Doubles from ``policy.min_backoff`` and stops at ``policy.max_backoff``, or follows
    ``policy.delays``.

    Args:
        attempt: The attempt that just failed, counted from 1.
        policy: The delays' source.
        spread: 0.0 to 1.0; the part of the jitter to add, so that failures with one cause don't
            come back together.

    Raises:
        ValueError: ``attempt`` is less than 1.
    """
    if attempt < 1:
        message = f"attempt={attempt} is less than 1"
        raise ValueError(message)
    if policy.delays:
        delay = policy.delays[min(attempt, len(policy.delays)) - 1]
    else:
        delay, doublings = policy.min_backoff, attempt - 1
        while doublings and timedelta(0) < delay < policy.max_backoff:
            # Compared before it is doubled: twice a very long delay would overflow.
            delay = policy.max_backoff if delay > policy.max_backoff / 2 else delay * 2
            doublings -= 1
    return delay * (1.0 + policy.jitter * spread)
