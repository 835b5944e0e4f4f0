"""Several servers under one hub: Sentinel, Cluster, and three shards named after colours."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import dramatiq
import pytest

from helperhub import Every, Hub, helper
from helperhub.store.keys import Keys
from helperhub.testing import ClusterForTests, find_strays
from helperhub.testing.running import build_hub

QUEUES = ("red", "green", "blue")
SHARDS = {f"HELPERHUB_QUEUES__{queue.upper()}__SHARD": str(shard) for shard, queue in enumerate(QUEUES)}


def make_tick(queue: str) -> object:
    def tick(ctx: object) -> str:
        return queue

    return helper(name=f"tick-{queue}", queue=queue, schedule=Every(timedelta(seconds=1)), overlap="allow")(tick)


TICKS = [make_tick(queue) for queue in QUEUES]


@pytest.fixture(scope="module", name="cluster")
def cluster_fixture() -> Iterator[ClusterForTests]:
    with ClusterForTests() as cluster:
        yield cluster


def spread_name(cluster: ClusterForTests) -> str:
    """Return a hub's name whose three shards are on three primaries."""
    for number in range(1000):
        name = f"hub-{os.getpid()}-{time.monotonic_ns()}-{number}"
        if len({cluster.node_of(Keys(name, shard).prefix).port for shard in range(3)}) == 3:
            return name
    message = "no such name"
    raise LookupError(message)


def open_hub(cluster: ClusterForTests, name: str, helpers: list[object] | None = None, **more: str) -> Hub:
    variables = {"HELPERHUB_HUB": name, "HELPERHUB_SHARDS": "3", **SHARDS, **more}
    return build_hub(helpers or [], url=cluster.url, settings=variables)


@pytest.fixture(name="hub")
def hub_fixture(cluster: ClusterForTests) -> Iterator[Hub]:
    found = open_hub(cluster, spread_name(cluster))
    yield found
    found.broker.stop_worker()
    strays = [stray for part in found.scripts.each for stray in find_strays(part.client, part.keys)]
    found.close()
    assert strays == []


def declare(hub: Hub, starts: Counter[str]) -> None:
    for queue in QUEUES:

        @dramatiq.actor(broker=hub.broker, actor_name=queue, queue_name=queue, max_retries=0)
        def act(word: str) -> str:
            starts[word] += 1
            if word.startswith("fail"):
                raise RuntimeError(word)
            return word
