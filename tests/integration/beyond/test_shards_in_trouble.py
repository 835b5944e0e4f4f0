"""A shard's primary is down, or an execution of one shard must run alone: the other shards go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import dramatiq
import pytest
from tests.integration.beyond.conftest import QUEUES, TICKS, declare, open_hub, spread_name

from helperhub import Hub
from helperhub.errors import StoreUnavailable
from helperhub.model.execution import Status
from helperhub.store.connection import build_client
from helperhub.store.executions import Executions
from helperhub.store.keys import Keys
from helperhub.store.scripts import Gone, Scripts
from helperhub.store.sharded_scripts import spread_scripts
from helperhub.testing import ClusterForTests
from helperhub.testing.running import scheduling, working

WaitUntil = Callable[..., None]
SOON = timedelta(seconds=10)


@pytest.mark.timeout(90)
def test_shard_whose_primary_is_down_stops_its_own_work_only() -> None:
    with ClusterForTests() as cluster:
        hub = open_hub(cluster, spread_name(cluster), TICKS, HELPERHUB_WORKER__LEASE="1h")
        starts: Counter[str] = Counter()
        declare(hub, starts)
        hub.register()
        with working(hub), scheduling(hub):
            for queue in QUEUES:
                hub.wait(hub.enqueue(queue, "before"), timeout=SOON)
            node = cluster.node_of(Keys(hub.settings.hub, 2).prefix)
            os.kill(node.pid, signal.SIGKILL)
            with pytest.raises(StoreUnavailable):
                hub.enqueue("blue", "lost")
            assert len(hub.check_server()) == 1  # whoever starts now starts

            meanwhile = [hub.enqueue(queue, "meanwhile") for queue in ("red", "green")]
            ends = [hub.wait(id_, timeout=timedelta(seconds=20)) for id_ in meanwhile]
            known = set(_red(hub))
            deadline = time.monotonic() + 20
            while not set(_red(hub)) - known and time.monotonic() < deadline:
                time.sleep(0.05)
            ticked = set(_red(hub)) - known
            node.kill()
            node.start()
            back = hub.wait(hub.enqueue("blue", "after", wait=timedelta(seconds=20)), timeout=timedelta(seconds=20))
        hub.close()

    assert [execution.status for execution in ends] == [Status.SUCCESS] * 2
    assert ticked
    assert back.status is Status.SUCCESS


def _red(hub: Hub) -> list[str]:
    part = hub.scripts.each[0]
    return [execution.id for execution in Executions(part.client, part.keys).of_helper("tick-red")]


def test_suspect_runs_alone_though_other_shards_have_work(hub: Hub, wait_until: WaitUntil) -> None:
    at_work: set[str] = set()
    beside: list[set[str]] = []
    lock = threading.Lock()

    def note(word: str) -> None:
        with lock:
            at_work.add(word)
            if word == "suspect":
                beside.append(set(at_work))
        time.sleep(0.05)
        with lock:
            if "suspect" in at_work and word != "suspect":
                beside.append(set(at_work))
            at_work.discard(word)

    for queue in QUEUES:
        dramatiq.actor(broker=hub.broker, actor_name=f"note-{queue}", queue_name=queue)(note)
    suspect = hub.enqueue("note-blue", "suspect")
    _make_suspect(hub, suspect)
    ids = [hub.enqueue(f"note-{queue}", f"{queue} {number}") for number in range(20) for queue in ("red", "green")]
    with working(hub, threads=4):
        assert hub.wait(suspect, timeout=SOON).status is Status.SUCCESS
        assert all(hub.wait(id_, timeout=SOON).status is Status.SUCCESS for id_ in ids)

    assert beside == [{"suspect"}]


def test_suspect_whose_process_isnt_free_goes_back_and_holds_up_nobody(
    hub: Hub, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helperhub.broker.lane.ALONE_PATIENCE_S", 0.3)
    monkeypatch.setattr("helperhub.broker.claimer._SUSPECT_PAUSE_MS", 1_000)
    release = threading.Event()
    declare(hub, Counter())

    @dramatiq.actor(broker=hub.broker, queue_name="red")
    def hold() -> None:
        release.wait(20)

    suspect = hub.enqueue("blue", "suspect")
    _make_suspect(hub, suspect)
    hub.queues.pause("blue")
    with working(hub, threads=4):
        long = hold.send().message_id
        wait_until(lambda: hub.executions.get(long).status is Status.RUNNING)
        hub.queues.resume("blue")
        wait_until(lambda: "other work in hand" in hub.executions.get(suspect).reason)
        meanwhile = hub.wait(hub.enqueue("green", "meanwhile"), timeout=SOON)
        release.set()
        ends = [hub.wait(id_, timeout=SOON).status for id_ in (long, suspect)]

    assert meanwhile.status is Status.SUCCESS
    assert ends == [Status.SUCCESS, Status.SUCCESS]


def _make_suspect(hub: Hub, execution_id: str) -> None:
    """Let a worker process die with the execution in hand."""
    part = hub.scripts.each[2]
    part.join("victim", lease_ms=60_000, about={"queues": "blue"})
    claimed = part.claim("victim", ["blue"], number=1, want=1, will_wait=False, waited=False)
    assert [id_ for id_, _ in claimed.records] == [execution_id]
    part.reap([Gone("victim", "SIGSEGV")])


# More than all that it waits for: else a slow machine shows up as a time-out that names nothing.
@pytest.mark.timeout(180)
def test_shard_0_being_down_stops_planning_and_not_the_others_work() -> None:
    with ClusterForTests() as cluster:
        hub = open_hub(cluster, spread_name(cluster), TICKS, HELPERHUB_WORKER__LEASE="1h")
        declare(hub, Counter())
        hub.register()
        with working(hub), scheduling(hub):
            hub.wait(hub.enqueue("blue", "before"), timeout=SOON)
            node = cluster.node_of(Keys(hub.settings.hub, 0).prefix)
            node.kill()

            meanwhile = hub.wait(hub.enqueue("blue", "meanwhile"), timeout=timedelta(seconds=20))
            node.start()
            back = hub.wait(hub.enqueue("red", "after", wait=timedelta(seconds=20)), timeout=timedelta(seconds=20))
            known = set(_red(hub))
            deadline = time.monotonic() + 20
            while not set(_red(hub)) - known and time.monotonic() < deadline:
                time.sleep(0.05)
            ticked = set(_red(hub)) - known
        hub.close()

    assert (meanwhile.status, back.status) == (Status.SUCCESS, Status.SUCCESS)
    assert ticked


def test_leases_of_the_other_shards_are_renewed_while_one_is_away(cluster: ClusterForTests) -> None:
    hub = open_hub(cluster, spread_name(cluster))
    scripts = hub.scripts
    scripts.join("w1", lease_ms=60_000, about={"queues": "red"})
    part = scripts.each[1]
    away = Scripts(build_client("redis://127.0.0.1:1", retries=0), part.keys)
    limping = spread_scripts([scripts.each[0], away, scripts.each[2]], lambda queue: 0)

    lost = limping.renew(["w1", "gone"], lease_ms=120_000)
    reaped = limping.reap([Gone("w1", "it stopped", ())])

    assert lost == ["gone"]
    assert [one.worker for one in reaped] == ["w1"]
    assert [worker["id"] for worker in hub.workers.all()] == []
    assert part.client.zcard(part.keys.at("workers")) == 1
    part.reap([Gone("w1", "it stopped", ())])
    hub.close()


def test_no_shard_at_all_is_an_error() -> None:
    keys = (Keys("main", shard) for shard in range(2))
    client = build_client("redis://127.0.0.1:1", retries=0)

    with pytest.raises(StoreUnavailable):
        spread_scripts([Scripts(client, key) for key in keys], lambda queue: 0).renew(["w1"], lease_ms=1000)
