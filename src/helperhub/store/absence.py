"""Redis was away, or took no writes: for a moment after it, leases that ended meanwhile mean nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Keepers try again once a second, and a call over a connection that died ends after 5 s (`connection`).
GRACE_S = 10.0


class Absence:
    """When a shard was last found away by this process.

    Nobody can renew a lease while Redis is away. Whoever came back first used to end the leases of all
    worker processes, though they lived: everything in hand was done again, and suspected of a death.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Know of no absence.

        Args:
            now: Monotonic seconds.
        """
        self._now = now
        self._noted_at = float("-inf")

    def note(self) -> None:
        """Remember that it is away now."""
        self._noted_at = self._now()

    @property
    def is_recent(self) -> bool:
        """Whether it is away, or came back less than `GRACE_S` ago."""
        return self._now() - self._noted_at < GRACE_S
