"""What goes wrong: one method a fault. Each that may repeat work says so in the arena's counts."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from tests.chaos.arena import Arena
from tests.chaos.processes import children_of, is_alive, wait_for

#: Nobody listens there: a server that is told to replicate from it stays a replica, read-only, with its data.
NOWHERE = ("127.0.0.1", "1")


class Faults:
    """The faults of one scenario."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena

    def every(self, interval_s: float, act: Callable[[], object], *, for_s: float) -> int:
        """Do something at an interval for a while; return how often."""
        end, times = time.monotonic() + for_s, 0
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(interval_s, left))
            if left >= interval_s:
                act()
                times += 1
        return times

    # -- processes

    def kill_a_worker(self) -> None:
        """End a random worker process as the OOM killer would."""
        pids = self.arena.processes.worker_pids()
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self.arena.chance.choice(pids), signal.SIGKILL)
                self.arena.kills += 1

    def kill_a_supervisor(self) -> None:
        """End a supervisor; its worker processes must end by themselves."""
        supervisor = self.arena.processes.supervisors.pop(0)
        children = children_of(supervisor.pid)
        supervisor.kill()
        supervisor.wait()
        self.arena.kills += len(children)
        wait_for(lambda: not any(is_alive(pid) for pid in children), "its worker processes end", seconds=15)

    def stop_a_worker(self) -> int:
        """Stop a worker process in its tracks; `resume` lets it go on."""
        pid = int(max(self.arena.hub.workers.all(), key=lambda found: found["running"])["pid"])
        os.kill(pid, signal.SIGSTOP)
        self.arena.lost_leases += sum(found["running"] for found in self.arena.hub.workers.all() if found["pid"] == pid)
        return pid

    def resume(self, pid: int) -> None:
        """Let a stopped process go on."""
        os.kill(pid, signal.SIGCONT)

    # -- the server

    def kill_server(self) -> None:
        """End the server as the OOM killer would, and start it again after a moment."""
        self.arena.server.kill()
        time.sleep(0.3)
        self.arena.server.start()

    def forget_scripts(self) -> None:
        """Empty the server's script cache."""
        self.arena.hub.scripts.client.script_flush()

    def cut_connections(self) -> None:
        """Close every connection but the harness's own."""
        self.arena.hub.scripts.client.client_kill_filter(_type="normal", skipme=True)

    def make_readonly(self) -> None:
        """Have the server refuse writes, as the old primary does after a failover."""
        self.arena.hub.scripts.client.replicaof(*NOWHERE)

    def make_writable(self) -> None:
        """Make it a primary again."""
        self.arena.hub.scripts.client.replicaof("NO", "ONE")

    def fill_memory(self) -> None:
        """Leave no memory for anything new."""
        self.arena.hub.scripts.client.config_set("maxmemory", 1_000_000)

    def free_memory(self) -> None:
        """Take the bound away."""
        self.arena.hub.scripts.client.config_set("maxmemory", 0)

    def fill_disk(self) -> None:
        """Let no file of the server grow any more (RLIMIT_FSIZE)."""
        largest = max((path.stat().st_size for path in self.arena.server.directory.rglob("*.aof")), default=0)
        resource.prlimit(self.arena.server.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def free_disk(self) -> None:
        """Take that bound away."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(self.arena.server.pid, resource.RLIMIT_FSIZE, unlimited)
