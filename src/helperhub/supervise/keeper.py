"""Holds the leases of worker processes from outside them."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from helperhub.errors import StoreError
from helperhub.store.scripts import Scripts

_log = logging.getLogger("helperhub.keeper")
#: A lease is renewed three times before it ends, so that two lost renewals cost nothing.
_RENEWALS_PER_LEASE = 3
_RETRY_S = 1.0


class Keeper:
    """Renews for the living, not for the stopped, and hands the work of the dead out again.

    C code that holds the GIL stops every thread of a worker process, so a worker can't renew its own
    lease; and a process that is stopped (SIGSTOP, a debugger) must lose it.
    """

    def __init__(
        self, scripts: Scripts, *, lease: timedelta, max_lost: int, state_of: Callable[[int], str] | None = None
    ) -> None:
        """Hold no lease yet.

        Args:
            scripts: The store's shard 0.
            lease: How long a worker process may be silent.
            max_lost: Worker deaths after which an execution is given up.
            state_of: Tells the state of a process; for tests.
        """
        self._scripts = scripts
        self._lease_ms = lease // timedelta(milliseconds=1)
        self._max_lost = max_lost
        self._state_of = state_of or process_state
        self._pids: dict[str, int] = {}
        self._gone: set[str] = set()
        self._renew_at = 0.0
        self._failing = False

    def hold(self, worker: str, pid: int) -> None:
        """Hold the lease of a worker process that has just registered."""
        self._pids[worker] = pid

    def drop(self, worker: str) -> None:
        """Note that a worker process is dead: its work is handed out again at the next `tick`."""
        if self._pids.pop(worker, None) is not None:
            self._gone.add(worker)

    def drop_process(self, pid: int) -> None:
        """Note that a process is dead; `drop` for whoever knows only its number."""
        for worker in [name for name, known in self._pids.items() if known == pid]:
            self.drop(worker)

    @property
    def has_dead(self) -> bool:
        """Whether some dead worker's work isn't handed out again yet."""
        return bool(self._gone)

    def tick(self) -> list[tuple[str, int]]:
        """Do what is due now; return the workers whose work was handed out again, with how much.

        Call it at least once a second. Redis being away is told once and tried again.
        """
        now = time.monotonic()
        if not self._gone and now < self._renew_at:
            return []
        try:
            handed = self._reap()
            self._renew()
        except StoreError as error:
            if not self._failing:
                _log.warning("keeper_delayed", extra={"error": str(error)})
            self._failing = True
            self._renew_at = now + _RETRY_S
            return []
        self._failing = False
        self._renew_at = now + self._lease_ms / 1000 / _RENEWALS_PER_LEASE
        return handed

    def _reap(self) -> list[tuple[str, int]]:
        gone = sorted(self._gone)
        # Also ends leases of other hosts' workers that nobody renews any more.
        reaped = self._scripts.reap(gone, max_lost=self._max_lost)
        self._gone.difference_update(gone)
        for worker, executions in reaped:
            _log.warning("worker_lost", extra={"worker_id": worker, "handed_out_again": executions})
        return reaped

    def _renew(self) -> None:
        alive = [worker for worker, pid in self._pids.items() if self._state_of(pid) not in "TtZXx"]
        if alive:
            for worker in self._scripts.renew(alive, lease_ms=self._lease_ms):
                # The worker finds out at its next claim and registers again.
                _log.info("lease_lost", extra={"worker_id": worker})


def process_state(pid: int) -> str:
    """Return the state letter of a process (proc(5)): T stopped, Z zombie, X gone; R when it can't be told."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            # The name in parentheses may hold blanks and parentheses itself.
            return stat.read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return "X"
    shown = subprocess.run(  # noqa: S603 - fixed program, a number for argument
        ["/bin/ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()[:1] or "X"
