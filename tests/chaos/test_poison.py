"""Executions that end their process, and records that nobody can read: they alone are set aside."""

from __future__ import annotations

import pytest
from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes

from helperhub.model.execution import Status


@pytest.mark.chaos
@pytest.mark.timeout(200)
@pytest.mark.parametrize(("how", "named"), [("segfault", "SIGSEGV"), ("kill", "SIGKILL"), ("exit", "exit code 0")])
def test_poison_is_found_and_none_of_its_neighbours_pays(seed: int, how: str, named: str) -> None:
    size = 500
    with Arena(seed) as arena:
        arena.start_workers(processes=2)
        neighbours = arena.offer(size // 2, {"ms": 5})
        (poison,) = arena.offer(1, {"dies": 99, "how": how})
        neighbours += arena.offer(size // 2, {"ms": 5})
        wait_for(lambda: arena.unfinished() == 0, "all end", seconds=80)
        arena.kills = arena.hub.executions.get(poison).delivery
        arena.drain()

        report = check(arena, f"poison: {how}", ends=("success", "error"))
        found = arena.hub.executions.get(poison)
        statuses = {arena.hub.executions.get(id_).status for id_ in neighbours}

    assert report.problems == []
    assert found.status is Status.ERROR
    assert named in found.reason
    assert statuses == {Status.SUCCESS}


@sizes(small=100, full=2000)
def test_records_that_nobody_can_read_are_set_aside_one_by_one(seed: int, size: int) -> None:
    with Arena(seed) as arena:
        arena.start_workers(processes=1)
        client, keys = arena.hub.scripts.client, arena.hub.scripts.keys
        arena.offer(1)
        arena.hub.queues.pause("default")
        ids = arena.offer(size)
        broken = ids[:: size // 10]
        for number, id_ in enumerate(broken):
            raw = client.get(keys.record(id_))
            client.set(keys.record(id_), [b"", b"\x01garbage", raw[: len(raw) // 2], b"\xff" + raw[1:]][number % 4])
            arena.ledger.accepted.pop(id_)
            arena.ledger.offered.pop(id_)
        arena.hub.queues.resume("default")
        arena.drain()

        dead = {id_.decode() for id_ in client.zrange(keys.at("dead"), 0, -1)}
        # People look at them, and remove them.
        arena.hub.dead_letters.delete(broken)
        # They were counted, and had no record that the history could keep.
        client.hincrby(keys.at("count", "default"), "e", -len(broken))
        report = check(arena, "records that nobody can read")

    assert dead == set(broken)
    assert report.problems == []
