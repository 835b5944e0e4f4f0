"""A real hub for browsers: a server, and scheduler, worker, archiver and web as processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from helperhub import Hub
from helperhub.model.access import Scope
from helperhub.services.api_keys import KeyWish
from helperhub.settings import load_settings
from helperhub.testing.running import KNOWN_KEYS
from helperhub.testing.server import ServerForTests

PLUGIN = Path(__file__).parent / "plugin"
SOON = timedelta(seconds=60)
_START_S = 60
_PARTS = {"scheduler": (), "worker": (), "archiver": ("--upgrade",), "web": ()}
#: A plugin that can't be imported, whose reason is as hostile as what helpers are given.
_QUARANTINED = 'raise ImportError("<img src=x onerror=alert(1)> isn\'t there")\n'


@dataclass(slots=True)
class RealHub:
    """A running hub.

    Args:
        server: Its Redis, which can be stopped and started.
        directory: Its data, plugins and archive.
        environ: The environment of its processes.
        hub: The same hub in this process, to see what became of a click.
        url: Where it is served.
        processes: By part.
    """

    server: ServerForTests
    directory: Path
    environ: Mapping[str, str]
    hub: Hub
    url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, part: str) -> None:
        """Start a part."""
        argv = [sys.executable, "-m", "helperhub", part, *_PARTS[part]]
        with (self.directory / f"{part}.log").open("ab") as log:
            self.processes[part] = subprocess.Popen(argv, env=self.environ, stdout=log, stderr=log)

    def stop(self, part: str) -> None:
        """Stop a part as an operator would."""
        process = self.processes.pop(part)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def read_log(self, part: str) -> str:
        """Return what a part has said on stderr."""
        return (self.directory / f"{part}.log").read_text()

    def key(self, *scopes: Scope) -> str:
        """Return a new key."""
        return self.hub.api_keys.create(KeyWish("browser", frozenset(scopes or (Scope.ADMIN,))))[0]


def wait_for(condition: Callable[[], object], what: str, *, seconds: float = 60) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.05)


@contextmanager
def real_hub(**settings: str) -> Iterator[RealHub]:
    """Yield a hub that plans, works, archives and is served; its settings may be told, as HELPERHUB_... variables."""
    with ServerForTests(aof=True) as server, tempfile.TemporaryDirectory(prefix="helperhub-browser-") as name:
        directory = Path(name)
        _install_plugins(directory / "plugins")
        port = _free_port()
        environ = {**_environ(directory, server.url, port), **settings}
        hub = Hub(load_settings([], environ), server.url)
        running = RealHub(server, directory, environ, hub, f"http://127.0.0.1:{port}")
        try:
            for part in _PARTS:
                running.start(part)
            _wait_until_ready(running)
            yield running
        finally:
            for part in reversed(list(running.processes)):
                running.stop(part)
            hub.close()


def _environ(directory: Path, url: str, port: int) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HELPERHUB_", "REDIS_", "DATABASE_"))
    }
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(directory / "plugins"), str(PLUGIN)]),
        "HELPERHUB_HUB": "browsed",
        "HELPERHUB_REDIS_URL": url,
        "HELPERHUB_DATA_DIR": str(directory / "data"),
        "HELPERHUB_DATABASE_URL": f"sqlite:///{directory / 'archive' / 'archive.db'}",
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping,notify",
        "HELPERHUB_WEB__HOST": "127.0.0.1",
        "HELPERHUB_WEB__PORT": str(port),
        "HELPERHUB_WORKER__PROCESSES": "1",
        "HELPERHUB_WORKER__THREADS": "4",
        "HELPERHUB_WORKER__CANCEL_GRACE": "1s",
        "HELPERHUB_ALERTS__EVERY": "1s",
        "HELPERHUB_CALLBACKS__ALLOW": "127.0.0.1",
        "HELPERHUB_CALLBACKS__DELAYS": "1s",
        "HELPERHUB_LOG__LEVEL": "warning",
    }


def _install_plugins(folder: Path) -> None:
    """Make those of the suite installed ones, for whoever has ``folder`` on PYTHONPATH."""
    folder.mkdir()
    (folder / "helperhub_torn.py").write_text(_QUARANTINED)
    (folder.parent / "archive").mkdir()
    for name in ("browsed", "torn"):
        metadata = folder / f"helperhub_{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: helperhub-{name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[helperhub]\n{name} = helperhub_{name}\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(running: RealHub) -> None:
    def is_ready() -> bool:
        for part, process in running.processes.items():
            assert process.poll() is None, f"{part} ended:\n{running.read_log(part)}"
        return bool(running.hub.helpers.find("greet") and running.hub.workers.all() and is_served(running.url))

    try:
        wait_for(is_ready, "the hub is at work", seconds=_START_S)
    except AssertionError as error:
        error.add_note("\n".join(f"{part}:\n{running.read_log(part)}" for part in _PARTS))
        raise


def is_served(url: str) -> bool:
    """Return whether the dashboard answers."""
    try:
        return httpx.get(f"{url}/ui/sign-in", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
