"""How often somebody may ask: requests of a key, and wrong keys from an address. Counted in each web process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from helperhub.errors import TooMany

#: Names that are remembered; the one unheard of for longest is forgotten first.
_MOST = 10_000
_WINDOW_S = 60.0


class Throttle:
    """Buckets that refill steadily (token bucket: ITU-T I.371 calls its like a leaky bucket).

    Args:
        per_minute: Requests of one key; as many may come at once.
        failures_per_minute: Wrong keys from one address; then it waits, with the right one too.
        clock: Seconds that only grow.
    """

    def __init__(
        self, *, per_minute: int, failures_per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with full buckets."""
        self._requests = _Buckets(per_minute, clock)
        self._failures = _Buckets(failures_per_minute, clock)

    def check_rate(self, name: str) -> None:
        """Count a request.

        Raises:
            TooMany: It is one too many.
        """
        wait_s = self._requests.take(name)
        if wait_s:
            message = f"{name} asks more often than {self._requests.size} times a minute."
            raise TooMany(message, hint=f"Ask again in {wait_s:.0f} s.", retry_after_s=wait_s)

    def check_failures(self, address: str) -> None:
        """Refuse an address that has shown too many wrong keys.

        Raises:
            TooMany: It has.
        """
        wait_s = self._failures.wait(address)
        if wait_s:
            message = "Too many wrong keys came from this address."
            raise TooMany(message, hint=f"Ask again in {wait_s:.0f} s.", retry_after_s=wait_s)

    def note_failure(self, address: str) -> None:
        """Count a wrong key."""
        self._failures.take(address)


class _Buckets:
    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self.size = size
        self._clock = clock
        self._lock = threading.Lock()
        #: What is left of each, and when that was so.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one; return 0.0, or the seconds until there is one."""
        with self._lock:
            wait_s = self._wait(name)
            if not wait_s:
                left, at = self._left[name]
                self._left[name] = (left - 1, at)
                self._left.move_to_end(name)
                if len(self._left) > _MOST:
                    self._left.popitem(last=False)
            return wait_s

    def wait(self, name: str) -> float:
        """Return 0.0 if there is one to take, or the seconds until there is."""
        with self._lock:
            return self._wait(name) if name in self._left else 0.0

    def _wait(self, name: str) -> float:
        now = self._clock()
        left, at = self._left.get(name, (float(self.size), now))
        left = min(float(self.size), left + (now - at) * self.size / _WINDOW_S)
        self._left[name] = (left, now)
        return 0.0 if left >= 1 else (1 - left) * _WINDOW_S / self.size
