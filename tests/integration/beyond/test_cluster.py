"""A Redis Cluster holds a hub: in one shard all keys share one hash tag, and so one primary."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from helperhub import Every, Hub, helper
from helperhub.errors import ConfigurationError, StoreUnavailable
from helperhub.model.execution import Status
from helperhub.store.server import read_servers
from helperhub.testing import ClusterForTests, find_strays
from helperhub.testing.running import build_hub, scheduling, working

WaitUntil = Callable[..., None]
SOON = timedelta(seconds=10)


@helper
def job(ctx: object) -> str:
    return "done"


@helper(schedule=Every(timedelta(seconds=1)), overlap="allow")
def tick(ctx: object) -> None: ...


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterForTests]:
    with ClusterForTests() as cluster:
        yield cluster


@pytest.fixture
def variables() -> dict[str, str]:
    return {}


@pytest.fixture
def hub(cluster: ClusterForTests, variables: dict[str, str]) -> Iterator[Hub]:
    found = build_hub([job, tick], url=cluster.url, settings=variables)
    yield found
    found.broker.stop_worker()
    strays = find_strays(found.scripts.client, found.scripts.keys)
    found.close()
    assert strays == []


@pytest.mark.parametrize("variables", [{}, {"HELPERHUB_DURABLE": "true"}], ids=["plain", "durable"])
def test_one_shard_on_a_cluster_plans_enqueues_runs_and_lists(hub: Hub, wait_until: WaitUntil) -> None:
    hub.check_server()
    hub.register()
    with working(hub), scheduling(hub):
        execution = hub.wait(hub.enqueue("job"), timeout=SOON)
        hub.broker.join("default", timeout=10_000)
        wait_until(lambda: [e for e in hub.records.finished() if e.helper == "tick"])

        assert execution.status is Status.SUCCESS
        assert len(hub.workers.all()) == 1
        assert hub.plan.upcoming(limit=3)
        assert {finding.check for finding in hub.checks().run()} >= {"redis", "clock", "workers"}
    kept = hub.enqueue("job", delay=timedelta(hours=1))
    assert hub.executions.cancel(kept, reason="") == "cancelled"
    hub.helpers.disable("tick")


def test_nothing_connects_before_it_is_used() -> None:
    hub = build_hub((), url="redis+cluster://127.0.0.1:1", settings={})

    with pytest.raises(StoreUnavailable):
        hub.queues.all()

    hub.close()


def test_one_primary_that_evicts_is_refused(cluster: ClusterForTests, hub: Hub) -> None:
    assert len(read_servers(hub.scripts.client)) == 3
    cluster.nodes[2].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    with pytest.raises(ConfigurationError, match="allkeys-lru"):
        hub.check_server()

    cluster.nodes[2].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_plain_url_of_a_cluster_is_answered_with_the_right_one(cluster: ClusterForTests) -> None:
    hub = build_hub((), url=cluster.nodes[0].url, settings={"HELPERHUB_HUB": _elsewhere(cluster)})

    with pytest.raises(Exception, match=r"redis\+cluster://"):
        hub.queues.all()

    hub.close()


def _elsewhere(cluster: ClusterForTests) -> str:
    """Return a hub's name whose keys aren't on the first primary."""
    names = (f"hub-{number}" for number in range(100))
    return next(name for name in names if cluster.node_of(f"{{helperhub:{name}:0}}") is not cluster.nodes[0])
