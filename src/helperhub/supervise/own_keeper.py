"""A keeper of its own for a worker process that nobody supervises, as under ``dramatiq helperhub.actors``.

The worker process starts this module as a program and holds the other end of its standard input: when
that closes, the worker is dead, however it died.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from helperhub.store.connection import build_client
from helperhub.store.keys import Keys
from helperhub.store.scripts import Scripts
from helperhub.store.sharded_scripts import first_shard, spread_scripts
from helperhub.supervise.keeper import Keeper, process_state

_log = logging.getLogger("helperhub.keeper")
_RESTART_S = 1.0
_LOOK_S = 0.5
#: How long a keeper whose worker died goes on trying while Redis is away.
_PATIENCE_S = 300.0


class OwnKeeper:
    """Starts a keeper process, and restarts it if it dies."""

    def __init__(self, *, url: str, hub: str, shards: int, worker: str, lease: timedelta, board: Path) -> None:
        """Prepare; `start` begins.

        Args:
            url: Redis.
            hub: The hub's name.
            shards: How many it has.
            worker: This worker process's id.
            lease: How long it may be silent.
            board: Where it notes what it runs.
        """
        self._order = {
            "url": url,
            "hub": hub,
            "shards": shards,
            "worker": worker,
            "pid": os.getpid(),
            "lease_ms": lease // timedelta(milliseconds=1),
            "board": str(board),
        }
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="helperhub-own-keeper", daemon=True)

    def start(self) -> None:
        """Start the keeper process and watch it.

        It has its order when this returns: work that holds the GIL from its first moment on finds it kept.
        """
        self._process = self._launch()
        self._thread.start()

    def stop(self) -> None:
        """End the keeper: the worker process has left the registry."""
        self._stopping.set()
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        self._thread.join(timeout=5.0)

    def abandon(self) -> None:
        """End the keeper at once: the worker process never came into the registry, so there is nothing to hand out."""
        self._stopping.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while self._process is not None:
            self._process.wait()
            if self._stopping.is_set():
                return
            _log.warning("keeper_restarted", extra={"returncode": self._process.returncode})
            if self._stopping.wait(_RESTART_S):
                return
            self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "helperhub.supervise.own_keeper"],
            stdin=subprocess.PIPE,
            # Ctrl-C on the terminal is for the worker, whose work the keeper must outlive.
            start_new_session=True,
        )
        with contextlib.suppress(OSError):  # it ended at once, and is started again
            assert process.stdin is not None  # noqa: S101 - PIPE above
            process.stdin.write(json.dumps(self._order).encode() + b"\n")
            process.stdin.flush()
        return process


def keep(order: dict[str, Any], stdin: int) -> None:
    """Hold one worker process's lease until ``stdin`` closes or the process is gone, then hand its work out."""
    client = build_client(order["url"], retries=0)
    parts = [Scripts(client, Keys(order["hub"], shard)) for shard in range(order["shards"])]
    scripts = spread_scripts(parts, first_shard)
    keeper = Keeper(scripts, lease=timedelta(milliseconds=order["lease_ms"]))
    worker, pid = order["worker"], order["pid"]
    keeper.hold(worker, pid, board=Path(order["board"]))
    while not _closed(stdin, _LOOK_S) and process_state(pid) not in "ZXx":
        keeper.tick()
    keeper.drop(worker)
    deadline = time.monotonic() + _PATIENCE_S
    while keeper.has_dead and time.monotonic() < deadline:
        keeper.tick()
        if keeper.has_dead:
            time.sleep(_LOOK_S)


def _closed(stdin: int, timeout: float) -> bool:
    readable, _, _ = select.select([stdin], [], [], timeout)
    return bool(readable) and not os.read(stdin, 4096)


def _read_order(stdin: int) -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(stdin, 1)
        if not read:
            sys.exit(0)  # the worker ended before it said anything
        line += read
    order: dict[str, Any] = json.loads(line)
    return order


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    keep(_read_order(0), 0)
