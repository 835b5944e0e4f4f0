"""Real worker processes and schedulers over three shards; one is killed, and every execution ends once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from helperhub.hub import Hub
from helperhub.model.execution import Status
from helperhub.settings import load_settings
from helperhub.testing import ClusterForTests, find_strays

WaitUntil = Callable[..., None]
QUEUES = ("red", "green", "blue")
PLUGIN = """
import time
from datetime import timedelta
from helperhub import Every, helper, hookimpl

def make(queue):
    @helper(name=f"work-{queue}", queue=queue)
    def work(ctx):
        time.sleep(0.02)
        return queue

    @helper(name=f"tick-{queue}", queue=queue, schedule=Every(timedelta(seconds=1)), overlap="allow")
    def tick(ctx):
        return queue

    return work, tick

@hookimpl
def helperhub_register(hub):
    for queue in ("red", "green", "blue"):
        for found in make(queue):
            hub.add(found)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterForTests]:
    with ClusterForTests() as cluster:
        yield cluster


@pytest.fixture
def environ(cluster: ClusterForTests, tmp_path: Path, hub_name: str) -> Mapping[str, str]:
    (tmp_path / "colours.py").write_text(PLUGIN)
    metadata = tmp_path / "helperhub_colours-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-colours\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[helperhub]\ncolours = colours\n")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("HELPERHUB_")},
        "PYTHONPATH": str(tmp_path),
        "HELPERHUB_REDIS_URL": cluster.url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SHARDS": "3",
        **{f"HELPERHUB_QUEUES__{queue.upper()}__SHARD": str(shard) for shard, queue in enumerate(QUEUES)},
        "HELPERHUB_SIGNING__ENABLED": "false",
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
        "HELPERHUB_LOG__LEVEL": "error",
    }


@pytest.mark.timeout(120)
def test_worker_process_that_is_killed_loses_nothing_in_any_shard(
    environ: Mapping[str, str], wait_until: WaitUntil
) -> None:
    hub = Hub(load_settings([], environ), environ["HELPERHUB_REDIS_URL"])
    commands = [("worker", "--processes", "2", "--threads", "4"), ("scheduler",), ("scheduler",)]
    started = [subprocess.Popen([sys.executable, "-m", "helperhub", *words], env=dict(environ)) for words in commands]
    try:
        wait_until(lambda: len(hub.workers.all()) == 2 and len(hub.helpers.all()) == 6, seconds=30)
        ids = hub.enqueue_many([(f"work-{queue}", None) for _ in range(100) for queue in QUEUES])
        wait_until(lambda: any(stats.totals["success"] > 20 for stats in hub.queues.all()), seconds=20)
        os.kill(int(hub.workers.all()[0]["pid"]), signal.SIGKILL)

        wait_until(lambda: all(found.status.final for found in hub.records.get_many(ids)), seconds=40)
        wait_until(lambda: all(len(list(hub.records.of_helper(f"tick-{queue}"))) >= 3 for queue in QUEUES), seconds=20)
        for queue in QUEUES:
            hub.helpers.disable(f"tick-{queue}")
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(40)

    assert Counter(found.status for found in hub.records.get_many(ids)) == {Status.SUCCESS: 300}
    ended = Counter(found.id for found in hub.records.finished())
    assert set(ended.values()) == {1}
    assert hub.workers.all() == []
    # What was due as the schedulers stopped may wait: the rest is where it belongs.
    assert [stray for part in hub.scripts.each for stray in find_strays(part.client, part.keys)] == []
    hub.close()
