"""How many of a worker process's threads take work at once: as many as help, for more only hinder each other.

Python runs one thread of a process at a time (the GIL). Threads that wait, for a network or a disk,
cost nothing; threads that all want to run hand the GIL to and fro, and each hand-over is a system
call and a switch. Eight threads that each do one short request spend half of the process's time on
that. So two threads take work, and more as long as the process isn't busy all the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

#: This many always take work: while one waits, the other runs.
LEAST = 2
#: Between two looks, seconds.
LOOK_S = 0.005
_CLOSE_LOOK_S = 0.05
#: Below this share of a core the threads mostly wait.
_MOSTLY_WAITING = 0.4
#: From this share of a core on, time spent waiting for a core included, another thread gets nothing done.
_BUSY = 0.9
#: Above this they run side by side, in code that has released the GIL.
_SIDE_BY_SIDE = 1.5


class Pace:
    """Watches how busy the process is; asked while work waits and threads are held back."""

    def __init__(
        self,
        threads: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        used_s: Callable[[], float] = time.process_time,
        starved_s: Callable[[], float] | None = None,
    ) -> None:
        """Begin with `LEAST`.

        Args:
            threads: Most threads.
            clock: Monotonic seconds.
            used_s: Seconds of a core that the process has used.
            starved_s: Seconds that its threads wanted to run and got no core; None asks Linux, and says 0 elsewhere.
        """
        self.target = min(LEAST, threads)
        self._threads = threads
        self._clock = clock
        self._used_s = used_s
        self._starved_s = starved_s or _read_starved_s
        self._looked_at = self._looked_closely_at = clock()
        self._used = used_s()
        self._used_then, self._starved_then = self._used, self._starved_s()

    def look(self) -> int:
        """Return how many threads may take work from now on."""
        now = self._clock()
        if now - self._looked_at < LOOK_S:
            return self.target
        used = self._used_s()
        share = (used - self._used) / (now - self._looked_at)
        # After a pause it says nothing about now.
        fresh = now - self._looked_at < 4 * _CLOSE_LOOK_S
        self._looked_at, self._used = now, used
        if fresh and share < _MOSTLY_WAITING:
            self.target = min(self.target * 2, self._threads)
        elif now - self._looked_closely_at >= _CLOSE_LOOK_S:
            self._look_closely(now, used, fresh=fresh)
        return self.target

    def _look_closely(self, now: float, used: float, *, fresh: bool) -> None:
        starved = self._starved_s()
        passed = now - self._looked_closely_at
        share, wanted = (used - self._used_then) / passed, (starved - self._starved_then) / passed
        self._looked_closely_at, self._used_then, self._starved_then = now, used, starved
        if not fresh:
            return
        if share + wanted >= _BUSY and share <= _SIDE_BY_SIDE:
            self.target = max(min(LEAST, self._threads), self.target - 1)
        else:
            self.target = min(self.target + 1, self._threads)


def _read_starved_s() -> float:
    """Return the run delay of all threads, as Linux has it (Documentation/scheduler/sched-stats.rst)."""
    total_ns = 0
    try:
        for task in Path("/proc/self/task").iterdir():
            total_ns += int((task / "schedstat").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):  # another system, or a thread that ended meanwhile
        return 0.0
    return total_ns / 1e9
