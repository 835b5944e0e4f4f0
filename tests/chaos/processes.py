"""Starts and ends the processes of a scenario: supervisors with their worker processes, schedulers, archivers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


def wait_for(condition: Callable[[], object], what: str, *, seconds: float = 30.0) -> None:
    """Wait until ``condition`` holds.

    Raises:
        AssertionError: It didn't in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"in {seconds:.0f} s it didn't happen that {what}"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Return the children of a process (proc(5)); none when it is gone."""
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Return whether a process exists and isn't a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@dataclass
class Processes:
    """All processes that a scenario has started; leaves none behind."""

    environ: Mapping[str, str]
    log: Path
    supervisors: list[subprocess.Popen[bytes]] = field(default_factory=list)
    schedulers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    archivers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *argv: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start ``helperhub`` with these arguments; what it logs goes to the scenario's log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "helperhub", *argv], env={**self.environ, **environ}, stderr=log, stdout=log
            )

    def start_workers(self, processes: int, threads: int, **environ: str) -> subprocess.Popen[bytes]:
        """Start a supervisor with its worker processes."""
        found = self.start("worker", "--processes", str(processes), "--threads", str(threads), **environ)
        self.supervisors.append(found)
        return found

    def start_scheduler(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start a scheduler."""
        found = self.start("scheduler", **environ)
        self.schedulers.append(found)
        return found

    def start_archiver(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start an archiver."""
        found = self.start("archiver", **environ)
        self.archivers.append(found)
        return found

    def worker_pids(self) -> list[int]:
        """Return the worker processes that live now."""
        return [pid for one in self.supervisors if one.poll() is None for pid in children_of(one.pid) if is_alive(pid)]

    def stop(self, found: list[subprocess.Popen[bytes]]) -> list[int]:
        """Stop these in order, and return their exit codes."""
        for process in found:
            if process.poll() is None:
                process.terminate()
        codes = [process.wait(60) for process in found]
        found.clear()
        return codes

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End one at once."""
        process.kill()
        process.wait(30)

    def kill_all(self) -> None:
        """End whatever is left, at once."""
        for process in [*self.supervisors, *self.schedulers, *self.archivers]:
            pids = [*children_of(process.pid), process.pid] if process.poll() is None else []
            for pid in pids:
                for signum in (signal.SIGKILL, signal.SIGCONT):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signum)
            process.wait(30)
