"""Three shards on a Cluster of three primaries: one hub, as if it were on one server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import dramatiq
import pytest
from dramatiq import group, pipeline
from tests.integration.beyond.conftest import QUEUES, TICKS, declare, open_hub, spread_name

from helperhub import Context, Hub, helper
from helperhub.errors import ConfigurationError
from helperhub.model.execution import Status
from helperhub.services.executions import ExecutionFilter
from helperhub.services.undo import Change
from helperhub.store.record import Record
from helperhub.testing import ClusterForTests
from helperhub.testing.running import KNOWN_KEYS, build_hub, scheduling, working
from helperhub.trust.keyring import new_key

WaitUntil = Callable[..., None]
SOON = timedelta(seconds=10)


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


def test_what_was_done_in_all_shards_is_undone_in_all(hub: Hub) -> None:
    declare(hub, Counter())
    with working(hub):
        failed = [hub.enqueue(queue, f"fail {queue}") for queue in QUEUES]
        for id_ in failed:
            assert hub.wait(id_, timeout=SOON).status is Status.ERROR
    deleted, replayed = hub.undo.begin(Change.DELETE), hub.undo.begin(Change.REPLAY)
    assert hub.dead_letters.delete(failed, undo=deleted) == 3

    assert hub.undo.take_back(deleted.id).undone == 3
    assert {one.id for one in hub.dead_letters.find(limit=9)} == set(failed)
    hub.dead_letters.replay(failed, undo=replayed)
    back = hub.undo.take_back(replayed.id)
    assert (back.undone, back.kept, back.again) == (3, 0, False)
    assert hub.undo.take_back(replayed.id).again
    assert {one.id for one in hub.dead_letters.find(limit=9)} == set(failed)
    hub.enqueue_many([("blue", str(number)) for number in range(3)])
    purged = hub.undo.begin(Change.PURGE, "blue")
    assert hub.queues.purge("blue", undo=purged) == 3
    assert hub.undo.take_back(purged.id).undone == 3
    with working(hub):
        hub.broker.join("blue", timeout=15_000)


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
        for again_id in again.values():
            assert hub.wait(again_id, timeout=SOON).status is Status.ERROR
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
