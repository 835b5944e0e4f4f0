"""Whether a worker process still works: one that only looks alive ends itself, and its keeper takes over."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from dramatiq import Worker

from helperhub.broker.sharded_worker import AnyClaimer, AnySettler

_log = logging.getLogger("helperhub.vitality")
#: As many looks in a row without a turn of the claimer: looks, not seconds, so that a process that was
#: stopped for a while and goes on isn't taken for one that hangs.
_SILENT_LOOKS = 30
#: sysexits.h, EX_SOFTWARE.
_EX_SOFTWARE = 70


class Vitality:
    """Looks at a worker's threads and its claimer, once a second."""

    def __init__(
        self,
        worker: Worker,
        claimer: AnyClaimer,
        settler: AnySettler,
        *,
        every_s: float = 1.0,
        end: Callable[[str], None] | None = None,
    ) -> None:
        """Watch ``worker`` once `start` is called.

        Args:
            worker: Dramatiq's worker.
            claimer: What claims for it.
            settler: What settles for it.
            every_s: Seconds between two looks.
            end: Told why the process has to end; the default logs it and ends the process at once, for
                what hangs can't be stopped in order. Its executions are handed out again.
        """
        self._worker = worker
        self._claimer = claimer
        self._settler = settler
        self._every_s = every_s
        self._end = end or _end_process
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="helperhub-vitality", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more: the worker is stopping, and its threads end."""
        self._stopping.set()

    def _run(self) -> None:
        turns, silent = -1, 0
        while not self._stopping.wait(self._every_s):
            silent = silent + 1 if self._claimer.turns == turns else 0
            turns = self._claimer.turns
            threads = [*self._worker.workers, *self._worker.consumers.values(), *self._settler.threads]
            dead = sum(not thread.is_alive() for thread in threads)
            if self._stopping.is_set():
                return
            if dead:
                self._end(f"{dead} of its {len(threads)} threads died")
                return
            if silent >= _SILENT_LOOKS:
                self._end(f"it hasn't tried to claim for {silent * self._every_s:.0f} s")
                return


def _end_process(why: str) -> None:
    _log.critical("worker_unfit", extra={"reason": why})
    logging.shutdown()
    os._exit(_EX_SOFTWARE)
