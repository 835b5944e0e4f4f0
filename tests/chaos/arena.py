"""One scenario's world: a server with AOF, worker processes, schedulers, a producer, and a ledger beside them."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import dramatiq
from tests.chaos.ledger import Ledger
from tests.chaos.processes import Processes, wait_for

from helperhub.errors import StoreError
from helperhub.hub import Hub
from helperhub.settings import load_settings
from helperhub.store.connection import Client
from helperhub.store.keys import Keys
from helperhub.testing.running import KNOWN_KEYS
from helperhub.testing.server import ServerForTests

PLUGIN = Path(__file__).parent / "plugin"
HUB = "chaos"
#: Of each worker process, unless a scenario says otherwise; they bound the duplicates.
THREADS = 4
SETTLE_WINDOW = 16
LEASE_S = 2.0


class Servers(Protocol):
    """One server or several, of `helperhub.testing`."""

    @property
    def url(self) -> str:
        """Where the hub reaches them."""

    def __enter__(self) -> Self:
        """Start them."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""


class Arena:
    """A scenario's world, for a ``with`` block in the main thread.

    Args:
        seed: Of every choice that the scenario makes.
        server: More options of the server.
        aof: Whether the server keeps what it is told.
        servers: Several, instead of that one.
        settle_window: Outcomes that may be on their way to Redis in each worker process.
        settings: Variables for all processes.
        scheduled: Which of the plugin's scheduled helpers there are.
        helpers: Which others, beside `work`.
    """

    def __init__(
        self,
        seed: int,
        *,
        server: Sequence[str] = (),
        aof: bool = True,
        servers: Servers | None = None,
        settle_window: int = SETTLE_WINDOW,
        settings: Mapping[str, str] | None = None,
        scheduled: str = "",
        helpers: str = "",
    ) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - chance that can be repeated
        self.seed = seed
        self.directory = Path(tempfile.mkdtemp(prefix="helperhub-chaos-"))
        self.server = ServerForTests(aof=aof, arguments=server)
        self._servers = servers or self.server
        self.settle_window = settle_window
        self.ledger = Ledger(self.directory / "effects.jsonl")
        self.kills = 0
        self.lost_leases = 0
        #: The checker found that an invariant doesn't hold: the directory stays.
        self.failed = False
        self._settings = dict(settings or {})
        self._scheduled = scheduled
        self._helpers = helpers
        self._numbers = iter(range(10_000_000))
        self._producers: list[threading.Thread] = []
        self._producing = threading.Event()

    def __enter__(self) -> Self:
        self._servers.__enter__()
        install_plugin(self.directory)
        self.variables = {
            "HELPERHUB_REDIS_URL": self._servers.url,
            "HELPERHUB_HUB": HUB,
            "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
            "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
            "HELPERHUB_WORKER__LEASE": f"{LEASE_S}s",
            "HELPERHUB_WORKER__SETTLE_WINDOW": str(self.settle_window),
            "HELPERHUB_LOG__FORMAT": "json",
            **self._settings,
        }
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HELPERHUB_")},
            "PYTHONPATH": os.pathsep.join([str(self.directory), str(PLUGIN), os.environ.get("PYTHONPATH", "")]),
            "CHAOS_EFFECTS": str(self.ledger.effects_file),
            "CHAOS_HELPERS": f"{self._scheduled} {self._helpers}",
            **self.variables,
        }
        self.processes = Processes(environ, self.directory / "log.jsonl")
        self.hub = Hub(load_settings([], self.variables), self._servers.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producing.clear()
        self.processes.kill_all()
        for producer in self._producers:
            producer.join(30)
        self.hub.close()
        self._servers.__exit__(kind, error, trace)
        if error is None and not self.failed:
            shutil.rmtree(self.directory)

    # -- processes

    def start_workers(self, processes: int = 2, threads: int = THREADS, **environ: str) -> None:
        """Start a supervisor, and wait until its worker processes have registered."""
        before = len(self.hub.workers.all())
        self.processes.start_workers(processes, threads, **environ)
        wait_for(lambda: len(self.hub.workers.all()) >= before + processes, "worker processes register")

    def start_schedulers(self, count: int = 2, **environ: str) -> None:
        """Start schedulers, and wait until all have been heard of."""
        before = len(self.hub.catalogue.schedulers())
        for _ in range(count):
            self.processes.start_scheduler(**environ)
        wait_for(lambda: len(self.hub.catalogue.schedulers()) >= before + count, "schedulers register")

    # -- producing

    def next_id(self) -> str:
        """Return an id that the scenario hasn't used."""
        return f"job-{next(self._numbers)}"

    def offer(
        self, count: int, payload: Any = None, *, batch: int = 200, helper: str = "work", queue: str = "default"
    ) -> list[str]:
        """Enqueue executions of a helper, again and again until Redis answers; return their ids."""
        ids = [self.next_id() for _ in range(count)]
        for start in range(0, count, batch):
            chunk = ids[start : start + batch]
            messages: list[dramatiq.Message[Any]] = [
                dramatiq.Message(queue, helper, (payload,) if payload else (), {}, {"keyed": True}, message_id=id_)
                for id_ in chunk
            ]
            self.ledger.offer(chunk)
            while True:
                try:
                    self.hub.broker.enqueue_many(messages)
                except StoreError:
                    time.sleep(0.05)
                else:
                    self.ledger.accept(chunk)
                    break
        return ids

    def offer_meanwhile(
        self, count: int, payload: Any = None, *, per_second: int, helper: str = "work", queue: str = "default"
    ) -> None:
        """Enqueue in a thread of its own, at about this rate, while the scenario goes on."""

        def produce() -> None:
            for start in range(0, count, 20):
                if not self._producing.is_set():
                    return
                self.offer(min(20, count - start), payload, helper=helper, queue=queue)
                time.sleep(20 / per_second)

        self._producing.set()
        thread = threading.Thread(target=produce, name="chaos-producer")
        thread.start()
        self._producers.append(thread)

    @property
    def is_producing(self) -> bool:
        """Whether a producer goes on."""
        return any(thread.is_alive() for thread in self._producers)

    # -- healing and draining

    def unfinished(self) -> int:
        """Return how many executions have been enqueued and have not ended, by the counters."""
        return sum(_open_in(part.client, part.keys) for part in self.hub.scripts.each)

    def has_drained(self) -> bool:
        """Return whether nothing is under way, as far as Redis can be asked."""
        try:
            return not self.is_producing and self.unfinished() == 0
        except Exception:  # noqa: BLE001 - whatever redis-py raises while the server is away
            return False

    def drain(self, *, seconds: float = 60.0) -> None:
        """Wait until all has ended, then stop workers and schedulers in order."""
        wait_for(self.has_drained, "everything ends", seconds=seconds)
        self.stop()

    def stop(self) -> None:
        """Stop the planning, the workers, and at last the schedulers, which end the leases of the dead."""
        for name in self._scheduled.split():
            self.hub.helpers.disable(name)
        wait_for(lambda: self.unfinished() == 0, "what was due ends")
        self.processes.stop(self.processes.supervisors)
        if not self.processes.schedulers:
            wait_for(self._reap, "all leases end")
        wait_for(lambda: not self.hub.workers.all(), "all leases end")
        self.processes.stop(self.processes.schedulers)

    def _reap(self) -> bool:
        self.hub.scripts.reap()
        return not self.hub.workers.all()


def _open_in(client: Client, keys: Keys) -> int:
    names = [name.decode() for name in client.smembers(keys.at("queues"))]
    rows = [client.hmget(keys.at("count", name), ["enqueued", "ended"]) for name in names]
    return sum(int(enqueued or 0) - int(ended or 0) for enqueued, ended in rows)


def install_plugin(directory: Path) -> None:
    """Make the chaos plugin one that is installed, for whoever has ``directory`` on PYTHONPATH."""
    metadata = directory / "helperhub_chaos-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-chaos\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[helperhub]\nchaos = helperhub_chaos\n")
