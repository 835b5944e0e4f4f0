"""How often somebody may ask, with a key or without, and how often show a wrong one. Counted in each web process."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from helperhub.errors import TooMany

#: Names that are remembered; the one unheard of for longest is forgotten first.
_MOST = 10_000
#: Of a name that isn't an address; a proxy writes these, so they are short.
_MOST_OF_A_NAME = 100
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

    def check_stranger(self, address: str) -> None:
        """Count a request without a key, where these are answered, as one of its address.

        Raises:
            TooMany: It is one too many.
        """
        self.check_rate(f"address:{neighbours_of(address)}")

    def check_failures(self, address: str) -> None:
        """Refuse an address that has shown too many wrong keys.

        Raises:
            TooMany: It has.
        """
        wait_s = self._failures.wait(neighbours_of(address))
        if wait_s:
            message = "Too many wrong keys came from this address."
            raise TooMany(message, hint=f"Ask again in {wait_s:.0f} s.", retry_after_s=wait_s)

    def note_failure(self, address: str) -> None:
        """Count a wrong key."""
        self._failures.take(neighbours_of(address))


def neighbours_of(address: str) -> str:
    """Return what ``address`` is counted under: an IPv4 address itself, an IPv6 one's network of 64 bits.

    Such a network is what one customer is given (RFC 6177): counted one by one, he would have 2^64 beginnings.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_MOST_OF_A_NAME]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


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
            if name not in self._left:
                return 0.0
            self._left.move_to_end(name)
            return self._wait(name)

    def _wait(self, name: str) -> float:
        now = self._clock()
        left, at = self._left.get(name, (float(self.size), now))
        left = min(float(self.size), left + (now - at) * self.size / _WINDOW_S)
        self._left[name] = (left, now)
        return 0.0 if left >= 1 else (1 - left) * _WINDOW_S / self.size
