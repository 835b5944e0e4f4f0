"""Three shards on a Cluster of three primaries: one hub, as if it were on one server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import dramatiq
import pytest
from dramatiq import group, pipeline

from helperhub import Context, Every, Hub, helper
from helperhub.errors import ConfigurationError, StoreUnavailable
from helperhub.model.execution import Status
from helperhub.services.executions import ExecutionFilter
from helperhub.store.connection import build_client
from helperhub.store.executions import Executions
from helperhub.store.keys import Keys
from helperhub.store.record import Record
from helperhub.store.scripts import Gone, Scripts
from helperhub.store.sharded_scripts import spread_scripts
from helperhub.testing import ClusterForTests, find_strays
from helperhub.testing.running import KNOWN_KEYS, build_hub, scheduling, working
from helperhub.trust.keyring import new_key

WaitUntil = Callable[..., None]
SOON = timedelta(seconds=10)
QUEUES = ("red", "green", "blue")
SHARDS = {f"HELPERHUB_QUEUES__{queue.upper()}__SHARD": str(shard) for shard, queue in enumerate(QUEUES)}


def make_tick(queue: str) -> object:
    def tick(ctx: object) -> str:
        return queue

    return helper(name=f"tick-{queue}", queue=queue, schedule=Every(timedelta(seconds=1)), overlap="allow")(tick)


TICKS = [make_tick(queue) for queue in QUEUES]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterForTests]:
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


@pytest.fixture
def hub(cluster: ClusterForTests) -> Iterator[Hub]:
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


def test_each_queues_work_is_in_its_shard_and_runs_once(hub: Hub, cluster: ClusterForTests) -> None:
    starts: Counter[str] = Counter()
    declare(hub, starts)

    ids = hub.enqueue_many([(queue, f"{queue} {number}") for number in range(40) for queue in QUEUES])
    shards = zip(hub.scripts.each, QUEUES, strict=True)
    counts = [part.client.zcard(part.keys.at("ready", queue)) for part, queue in shards]
    with working(hub):
        for queue in QUEUES:
            hub.broker.join(queue, timeout=15_000)

    assert counts == [40, 40, 40]
    assert len({cluster.node_of(part.keys.prefix).port for part in hub.scripts.each}) == 3
    assert set(starts.values()) == {1}
    assert [execution.status for execution in hub.records.get_many(ids)] == [Status.SUCCESS] * 120
    assert {stats.name: stats.totals["success"] for stats in hub.queues.all()} == dict.fromkeys(QUEUES, 40)


def test_listings_merge_and_are_in_order(hub: Hub) -> None:
    declare(hub, Counter())
    with working(hub):
        ids = [hub.enqueue(queue, f"{number}") for number in range(5) for queue in QUEUES]
        for queue in QUEUES:
            hub.broker.join(queue, timeout=15_000)
        workers = hub.workers.all()
    kept = [hub.enqueue(queue, "later", delay=timedelta(hours=1)) for queue in QUEUES]

    found = hub.executions.find(ExecutionFilter(), limit=100)

    assert [worker["id"] for worker in workers] == [hub.worker_id]
    assert {execution.id for execution in found} == {*ids, *kept}
    ended = [execution.finished_at for execution in found if execution.finished_at]
    assert ended == sorted(ended, reverse=True)
    for queue in QUEUES:
        assert hub.queues.purge(queue) == 1


def test_cancel_dead_letters_replay_and_delete_find_their_shard(hub: Hub) -> None:
    starts: Counter[str] = Counter()
    declare(hub, starts)
    waiting = [hub.enqueue(queue, "later", delay=timedelta(hours=1)) for queue in QUEUES]

    assert [hub.executions.cancel(id_, reason="") for id_ in waiting] == ["cancelled"] * 3
    with working(hub):
        failed = [hub.enqueue(queue, f"fail {queue}") for queue in QUEUES]
        for id_ in failed:
            assert hub.wait(id_, timeout=SOON).status is Status.ERROR
        assert {execution.id for execution in hub.dead_letters.find(limit=10)} == set(failed)
        again = dict(hub.dead_letters.replay(failed))
        for id_ in again.values():
            assert hub.wait(id_, timeout=SOON).status is Status.ERROR
        assert set(again) == set(failed)
        assert hub.dead_letters.replay_all()[0][0] in again.values()
        for queue in QUEUES:
            hub.broker.join(queue, timeout=10_000)
    assert starts == {f"fail {queue}": 3 for queue in QUEUES}
    assert hub.dead_letters.count() == 3
    assert hub.dead_letters.delete_all() == 3


def test_pause_and_resume_reach_every_shard(hub: Hub, wait_until: WaitUntil) -> None:
    declare(hub, Counter())
    with working(hub):
        for queue in QUEUES:
            hub.wait(hub.enqueue(queue, "first"), timeout=SOON)
        hub.queues.pause("blue")
        paused = hub.enqueue("blue", "held")
        hub.wait(hub.enqueue("red", "goes on"), timeout=SOON)
        assert hub.executions.get(paused).status is Status.QUEUED
        assert hub.queues.resume("blue")
        assert hub.wait(paused, timeout=SOON).status is Status.SUCCESS


def test_running_execution_in_another_shard_is_cancelled(hub: Hub, wait_until: WaitUntil) -> None:
    @dramatiq.actor(broker=hub.broker, queue_name="blue")
    def hold() -> None:
        while True:
            time.sleep(0.01)

    with working(hub):
        id_ = hold.send().message_id
        wait_until(lambda: hub.executions.get(id_).status is Status.RUNNING)
        assert hub.executions.cancel(id_, reason="enough") == "asked"
        assert hub.wait(id_, timeout=timedelta(seconds=25)).status is Status.CANCELLED


@helper(queue="blue")
def talk(ctx: Context[None]) -> None:
    ctx.log.info("half_way")
    ctx.progress(1, 2, "half way")


def test_doctor_shows_where_each_shard_is(hub: Hub, cluster: ClusterForTests) -> None:
    (found,) = [finding for finding in hub.checks().run() if finding.check == "shards"]

    wanted = [f"{part.keys.shard} on {cluster.node_of(part.keys.prefix).address}" for part in hub.scripts.each]
    assert found.text == ", ".join(wanted)


def test_work_in_every_shard_is_signed_anew_by_a_renewal(hub: Hub, cluster: ClusterForTests) -> None:
    declare(hub, Counter())
    for queue in QUEUES:
        hub.enqueue(queue, "later", delay=timedelta(hours=1))
    keys = f"{new_key('new')},{KNOWN_KEYS}"
    renewing = open_hub(cluster, hub.settings.hub, HELPERHUB_SIGNING__KEYS=keys)

    done = [renewing.renewal.renew().executions for _ in range(2)]

    assert done == [3, 0]
    for queue in QUEUES:
        hub.queues.purge(queue)
    renewing.close()


def test_progress_and_log_lines_of_another_shard_are_found(cluster: ClusterForTests, wait_until: WaitUntil) -> None:
    hub = open_hub(cluster, spread_name(cluster), [talk])
    hub.register()
    with working(hub):
        id_ = hub.enqueue("talk")
        hub.wait(id_, timeout=SOON)
        wait_until(lambda: hub.executions.progress(id_))
        wait_until(lambda: hub.records.log(id_))

    assert (hub.executions.progress(id_) or {})["text"] == "half way"
    assert b"half_way" in hub.records.log(id_)[0]
    hub.close()


def test_group_across_shards_calls_back_once(hub: Hub) -> None:
    starts: Counter[str] = Counter()
    declare(hub, starts)
    actors = [hub.broker.get_actor(queue) for queue in QUEUES]

    @dramatiq.actor(broker=hub.broker, queue_name="green")
    def all_done() -> None:
        starts["all done"] += 1

    @dramatiq.actor(broker=hub.broker, queue_name="blue")
    def swallow(word: str, result: str = "") -> None:
        starts[word] += len(result) > 0

    piped = pipeline([actors[0].message("piped"), swallow.message("end")])
    members = [*(actor.message("member") for actor in actors), piped]
    with working(hub):
        together = group(members, broker=hub.broker)
        together.add_completion_callback(all_done.message())
        together.run()
        deadline = time.monotonic() + 15
        while not starts["all done"] and time.monotonic() < deadline:
            time.sleep(0.01)
        for queue in QUEUES:
            hub.broker.join(queue, timeout=10_000)

    assert starts == {"member": 3, "piped": 1, "end": 1, "all done": 1}


def test_fewer_shards_are_refused_until_the_others_are_empty(hub: Hub) -> None:
    declare(hub, Counter())
    hub.check_server()
    hub.enqueue("blue", "in shard 2")
    fewer = build_hub((), url=hub.url, settings={"HELPERHUB_HUB": hub.settings.hub, "HELPERHUB_SHARDS": "2"})

    with pytest.raises(ConfigurationError, match=r"has 3 shards, and HELPERHUB_SHARDS=2 leaves out \[2\]"):
        fewer.check_server()

    assert hub.queues.purge("blue") == 1
    fewer.check_server()
    assert fewer.scripts.client.get(fewer.scripts.keys.at("shards")) == b"2"
    fewer.close()


@pytest.mark.timeout(60)
def test_scheduled_work_goes_to_its_queues_shard_and_each_planned_time_ends_once(
    cluster: ClusterForTests, wait_until: WaitUntil
) -> None:
    name = spread_name(cluster)
    hub = open_hub(cluster, name, TICKS)
    other = open_hub(cluster, name, TICKS)
    hub.register()
    with working(hub), scheduling(hub), scheduling(other):
        wait_until(lambda: all(len(_ends(hub, queue)) >= 3 for queue in QUEUES), seconds=30)
    for queue in QUEUES:
        hub.helpers.disable(f"tick-{queue}")

    for shard, queue in enumerate(QUEUES):
        ids = _ends(hub, queue)
        assert len(ids) == len(set(ids))
        found = [part.client.exists(part.keys.record(ids[0])) for part in hub.scripts.each]
        assert found == [int(number == shard) for number in range(3)]
        assert hub.queues.all()[sorted(QUEUES).index(queue)].totals["enqueued"] == len(ids)
    hub.close()
    other.close()


def _ends(hub: Hub, queue: str) -> list[str]:
    return [execution.id for execution in hub.records.of_helper(f"tick-{queue}")]


def test_scheduler_that_died_after_entering_leaves_nothing_twice(hub: Hub, wait_until: WaitUntil) -> None:
    """Held in the plan, entered in the other shard, not yet dropped."""
    taken = hold_one(hub)
    helper_name, slot = taken[0][:2]

    assert hub.scripts.each[2].enter_due(taken) == [1]
    skipped = hub.scripts.mark_plan(helper_name, slot, "skip", due_ms=0, reason="no", record=taken[0][3])
    again = hub.scripts.enqueue_due(taken)

    assert skipped == -1
    assert again == [0]
    assert hub.scripts.client.zcard(hub.scripts.keys.at("plan", helper_name)) == 0
    assert hub.queues.purge("blue") == 1


def hold_one(hub: Hub) -> list[tuple[str, str, int, Record, str, str]]:
    scripts = hub.scripts
    now = scripts.due(limit=1).now_ms
    slot = "@20200101T000000Z"
    scripts.client.zadd(scripts.keys.at("plan", "job"), {slot: now - 1})
    scripts.client.zadd(scripts.keys.at("plan"), {"job": now - 1})
    assert scripts.hold_due([("job", slot, now - 1)]) == [True]
    record = Record(helper="job", queue="blue", due_ms=now - 1)
    return [("job", slot, now - 1, record, "q", "")]


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


@pytest.mark.timeout(90)
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
