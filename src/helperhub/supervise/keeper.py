"""The keeper: holds the leases of worker processes from outside them, and enforces hard time limits."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from helperhub.errors import StoreError
from helperhub.model.verdict import Outcome
from helperhub.store.board import BoardReader, Note
from helperhub.store.scripts import Gone, Reaped, Scripts, Settlement
from helperhub.store.workers import Doing, Seen

_log = logging.getLogger("helperhub.keeper")
#: A lease is renewed three times before it ends, so that two lost renewals cost nothing.
_RENEWALS_PER_LEASE = 3
_RETRY_S = 1.0
#: Leases are renewed this often while there is something new to tell of what workers do, seconds.
_TELLS_S = 2.0
_OVERRUN_REASON = "ran past its hard time limit: its process was killed"


@dataclass(slots=True)
class _Kept:
    """One worker process whose lease is held."""

    pid: int
    board: BoardReader | None
    kill: Callable[[int], None]
    killed_for: tuple[Note, ...] = ()
    #: By thread, execution and claim: since when it has been seen to run, monotonic seconds.
    since: dict[tuple[int, str, int], float] = field(default_factory=dict)
    is_told: bool = False

    def look(self, now: float) -> None:
        """Read the board; what stays on it goes on."""
        found = {(note.thread, note.id, note.claim): now for note in self.board.notes()} if self.board else {}
        if found.keys() != self.since.keys():
            self.is_told = False
        self.since = {key: self.since.get(key, at) for key, at in found.items()}

    def seen(self, now: float) -> Seen:
        """Return what is to be told of it."""
        doing = [Doing(thread, id_, int((now - at) * 1000)) for (thread, id_, _), at in self.since.items()]
        return Seen(resident_bytes(self.pid), tuple(doing))


@dataclass(frozen=True, slots=True)
class _Dead:
    """One that is gone, until its work is handed out again."""

    gone: Gone
    overrun: tuple[Note, ...]


class Keeper:
    """Renews for the living, not for the stopped, and hands the work of the dead out again.

    C code that holds the GIL stops every thread of a worker process, so a worker can't renew its own
    lease; and a process that is stopped (SIGSTOP, a debugger) must lose it. What a worker process has
    started stands on its board: so the keeper knows whom to suspect when it dies, and when it has to
    be killed because an execution ran past its hard limit.
    """

    def __init__(self, scripts: Scripts, *, lease: timedelta, state_of: Callable[[int], str] | None = None) -> None:
        """Hold no lease yet.

        Args:
            scripts: The store's shard 0.
            lease: How long a worker process may be silent.
            state_of: Tells the state of a process; for tests.
        """
        self._scripts = scripts
        self._lease_ms = lease // timedelta(milliseconds=1)
        self._state_of = state_of or process_state
        self._kept: dict[str, _Kept] = {}
        self._dead: dict[str, _Dead] = {}
        self._renew_at = 0.0
        self._told_at = float("-inf")
        self._failing = False

    def hold(
        self, worker: str, pid: int, *, board: Path | None = None, kill: Callable[[int], None] | None = None
    ) -> None:
        """Hold the lease of a worker process that has just registered.

        Args:
            worker: Its id.
            pid: Its process.
            board: Where it notes what it runs; without one there are no hard limits, and whatever
                it holds is suspected when it dies.
            kill: Kills it; the default sends SIGKILL to the process alone.
        """
        reader = None
        if board is not None:
            try:
                reader = BoardReader(board)
            except (OSError, ValueError) as error:
                _log.warning("board_unreadable", extra={"worker_id": worker, "error": str(error)})
        self._kept[worker] = _Kept(pid, reader, kill or _kill)

    def started(self, worker: str) -> int:
        """Return how many executions a worker process has started, as far as its board tells."""
        kept = self._kept.get(worker)
        return kept.board.started if kept is not None and kept.board is not None else 0

    def worker_of(self, pid: int) -> str | None:
        """Return the id of the worker process with this number, if its lease is held here."""
        return next((worker for worker, kept in self._kept.items() if kept.pid == pid), None)

    def drop(self, worker: str, *, cause: str = "its process ended", innocent: bool = False) -> None:
        """Note that a worker process is dead: its work is handed out again at the next `tick`.

        Args:
            worker: Its id.
            cause: How it ended, for people.
            innocent: It was ended from outside on purpose: nothing it ran is suspected.
        """
        kept = self._kept.pop(worker, None)
        if kept is None:
            return
        if innocent or kept.killed_for:
            suspects: tuple[str, ...] | None = ()
        else:
            suspects = None if kept.board is None else tuple(note.id for note in kept.board.notes())
        if kept.board is not None:
            kept.board.remove()
        lost = not (innocent or kept.killed_for)
        self._dead[worker] = _Dead(Gone(worker, cause, suspects, lost=lost), kept.killed_for)

    @property
    def has_dead(self) -> bool:
        """Whether some dead worker's work isn't handed out again yet."""
        return bool(self._dead)

    def tick(self) -> list[Reaped]:
        """Do what is due now; return the workers whose work was handed out again.

        Call it at least once a second. Redis being away is told once and tried again.
        """
        self._kill_overdue()
        now = time.monotonic()
        for kept in self._kept.values():
            kept.look(now)
        if not self._dead and now < self._renew_at and not self._has_news(now):
            return []
        try:
            # First: whoever wakes late, as after a machine's sleep, must not end the leases of its own.
            self._renew()
            handed = self._reap()
        except StoreError as error:
            if not self._failing:
                _log.warning("keeper_delayed", extra={"error": str(error)})
            self._failing = True
            self._renew_at = now + _RETRY_S
            return []
        self._failing = False
        self._renew_at = now + self._lease_ms / 1000 / _RENEWALS_PER_LEASE
        return handed

    def _kill_overdue(self) -> None:
        for worker, kept in self._kept.items():
            if kept.board is None or kept.killed_for:
                continue
            overdue = kept.board.overdue()
            # One that is stopped isn't late: it loses its lease.
            if overdue and self._state_of(kept.pid) not in "TtZXx":
                kept.killed_for = tuple(overdue)
                for note in overdue:
                    _log.error("hard_limit_exceeded", extra={"worker_id": worker, "execution_id": note.id})
                kept.kill(kept.pid)

    def _reap(self) -> list[Reaped]:
        dead = dict(self._dead)
        for worker, one in dead.items():
            if one.overrun:
                # Before it is reaped: its claims still stand, and these executions are to blame.
                verdicts = [
                    Settlement(n.id, n.claim, Outcome.OVERRUN.value, reason=_OVERRUN_REASON) for n in one.overrun
                ]
                self._scripts.settle(worker, verdicts)
        # Also ends leases of other hosts' workers that nobody renews any more.
        reaped = self._scripts.reap([one.gone for one in dead.values()])
        for worker in dead:
            del self._dead[worker]
        for lost in reaped:
            fields = {"worker_id": lost.worker, "handed_out_again": lost.handed_out, "given_up": lost.given_up}
            _log.warning("worker_lost", extra=fields)
        return reaped

    def _has_news(self, now: float) -> bool:
        return now >= self._told_at + _TELLS_S and not all(kept.is_told for kept in self._kept.values())

    def _renew(self) -> None:
        alive = [worker for worker, kept in self._kept.items() if self._state_of(kept.pid) not in "TtZXx"]
        if not alive:
            return
        self._told_at = now = time.monotonic()
        seen = {worker: self._kept[worker].seen(now).to_text() for worker in alive}
        for worker in self._scripts.renew(alive, lease_ms=self._lease_ms, seen=seen):
            # The worker finds out at its next claim and registers again.
            _log.info("lease_lost", extra={"worker_id": worker})
        for worker in alive:
            self._kept[worker].is_told = True


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


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


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, bytes (proc(5), ps(1)); 0 when it can't be told."""
    statm = Path(f"/proc/{pid}/statm")
    if statm.parent.parent.joinpath("self").exists():
        try:
            return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError):
            return 0
    shown = subprocess.run(  # noqa: S603 - fixed program, a number for argument
        ["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return int(shown.stdout.strip() or 0) * 1024
