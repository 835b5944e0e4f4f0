"""How long a producer goes on trying while Redis is away, short of memory, or a queue is full."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from helperhub.errors import QueueFull, StoreRefused, StoreUnavailable

T = TypeVar("T")

_log = logging.getLogger("helperhub.broker")
_FIRST_S = 0.05
_LONGEST_S = 2.0


class Patience:
    """One call's time to wait; what it sends again has the same tokens, so nothing doubles."""

    def __init__(self, seconds: float) -> None:
        """Wait at most ``seconds`` from now; 0 fails at once."""
        self._started = time.monotonic()
        self._seconds = seconds
        self._refused = False

    @property
    def late_s(self) -> float:
        """Seconds that the call has been held up; 0 when nothing refused it."""
        return self._spent_s if self._refused else 0.0

    @property
    def _spent_s(self) -> float:
        return time.monotonic() - self._started

    def attempt(self, act: Callable[[], T]) -> T:
        """Return what ``act`` returns, called again while it is refused for something that may pass.

        Raises:
            StoreUnavailable: Redis was away all the time.
            StoreRefused: It had no room all the time.
            QueueFull: The queue was full all the time.
        """
        turn = 0
        while True:
            try:
                return act()
            except (StoreUnavailable, StoreRefused, QueueFull) as error:
                self._refused = True
                left = self._seconds - self._spent_s
                if left <= 0:
                    raise
                if turn == 0:
                    _log.info("enqueue_waits", extra={"seconds": round(left, 1), "error": str(error)})
                time.sleep(min(left, _pause_s(turn)))
                turn += 1


def _pause_s(turn: int) -> float:
    """Return the pause before the next turn, half of it by chance: producers must not come back together."""
    longest = min(_LONGEST_S, _FIRST_S * 2.0 ** min(turn, 10))
    return longest * (0.5 + 0.5 * random.random())  # noqa: S311 - nothing secret hangs on it
