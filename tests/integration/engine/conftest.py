"""A hub of its own for each test, and what is needed to act as a worker process by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from helperhub.hub import Hub
from helperhub.settings import load_settings
from helperhub.store import keys as keys_module
from helperhub.store.record import Record
from helperhub.store.scripts import Claimed, Publication, Settlement
from helperhub.testing.running import KNOWN_KEYS

WORKER = "w1"
QUEUES = ["high", "default", "low"]


@pytest.fixture
def hub(redis_url: str, hub_name: str) -> Iterator[Hub]:
    variables = {
        "HELPERHUB_REDIS_URL": redis_url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
    }
    hub = Hub(load_settings([], variables), redis_url)
    yield hub
    _check_keys(hub)
    hub.close()


def _check_keys(hub: Hub) -> None:
    """No key without an owner: each is one of the table in `store/keys.py`."""
    table = set(re.findall(r"^\| P:([a-z]+)", Path(str(keys_module.__file__)).read_text(), re.MULTILINE))
    prefix = hub.scripts.keys.prefix + ":"
    spelled = [key.decode().removeprefix(prefix) for key in hub.scripts.client.scan_iter(match=f"{prefix}*")]
    assert {name.partition(":")[0] for name in spelled} <= table


@dataclass(slots=True)
class Hand:
    """Acts as one worker process, script by script."""

    hub: Hub
    worker: str = WORKER
    number: int = 0
    ids: list[str] = field(default_factory=list)

    def join(self, lease_ms: int = 30_000) -> None:
        self.hub.scripts.join(self.worker, lease_ms=lease_ms, about={"queues": ",".join(QUEUES)})

    def claim(self, want: int = 10, *, again: bool = False) -> Claimed:
        self.number += 0 if again else 1
        return self.hub.scripts.claim(self.worker, QUEUES, number=self.number, want=want, will_wait=False, waited=False)

    def claim_ids(self, want: int = 10) -> list[str]:
        return [id_ for id_, _ in self.claim(want).records]

    def settle(self, execution_id: str, outcome: str, *, claim: int | None = None, **more: object) -> bool:
        settlement = Settlement(execution_id, self.number if claim is None else claim, outcome, **more)  # type: ignore[arg-type]
        return self.hub.scripts.settle(self.worker, [settlement])[0] is True


@pytest.fixture
def hand(hub: Hub) -> Hand:
    made = Hand(hub)
    made.join()
    return made


Publish = Callable[..., str]


@pytest.fixture
def publish(hub: Hub) -> Publish:
    """Enqueue one execution; keywords are places of its record."""

    def publish(execution_id: str, *, delay_ms: int = 0, **places: object) -> str:
        record = Record(helper="job", body=b"\x01\x00", **places)  # type: ignore[arg-type]
        ((code, id_),) = hub.scripts.publish([Publication(execution_id, record, delay_ms=delay_ms)])
        assert code == 1
        return id_

    return publish


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def environ(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str, hub_name: str) -> Mapping[str, str]:
    """The environment of processes that have the test module's ``PLUGIN`` installed, and its ``SETTINGS``."""
    (tmp_path / "holding.py").write_text(request.module.PLUGIN)
    metadata = tmp_path / "helperhub_holding-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-holding\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[helperhub]\nholding = holding\n")
    return {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "HELPERHUB_REDIS_URL": redis_url,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
        "HELPERHUB_LOG__LEVEL": "error",
        **getattr(request.module, "SETTINGS", {}),
    }


@pytest.fixture
def start(environ: Mapping[str, str]) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, **settings: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", *argv], env={**environ, **settings})
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(30)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)
