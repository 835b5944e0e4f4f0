"""A server out of memory: what adds is refused with a clear error, what frees or finishes goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from helperhub.errors import StoreRefused
from helperhub.store.record import Record
from helperhub.store.scripts import SpecChange
from helperhub.testing.server import ServerForTests

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A server that a test may fill; none of the others' business."""
    with ServerForTests() as server:
        yield server.url


@pytest.fixture
def full(store: Store) -> Iterator[Store]:
    """A store with an execution of each kind, on a server that has no memory left."""
    store.run("dead", "dead")
    store.run("done")
    store.register()
    due = store.now_ms()
    store.plan(("@1", due), ("@2", due + 60_000))
    store.start("running")
    store.publish("waiting")
    store.publish("late", due_ms=due - 10_000, expires_ms=due - 1)
    store.client.config_set("maxmemory", 1_000_000)
    yield store
    store.client.config_set("maxmemory", 0)


def test_new_work_is_refused_and_nothing_of_it_is_written(full: Store) -> None:
    before = full.snapshot()

    with pytest.raises(StoreRefused, match="raise maxmemory"):
        full.publish("new")

    assert full.snapshot() == before


def test_plan_catalogue_and_replay_are_refused(full: Store) -> None:
    before = full.snapshot()

    with pytest.raises(StoreRefused):
        full.plan(("@3", 1))
    with pytest.raises(StoreRefused):
        full.scripts.register([SpecChange("tidy", override="{}")], revision=None)
    with pytest.raises(StoreRefused):
        full.scripts.replay([("dead", "again", Record(helper="tidy"))])
    with pytest.raises(StoreRefused):
        full.scripts.mark_plan("tidy", "@2", "skip", due_ms=0, reason="", record=Record(helper="tidy"))

    assert full.snapshot() == before


def test_due_time_stays_planned_until_there_is_room(full: Store) -> None:
    slots = full.slots()
    with pytest.raises(StoreRefused):
        full.promote("@1", slots["@1"])

    full.client.config_set("maxmemory", 0)

    assert full.promote("@1", slots["@1"]) == 1


def test_running_work_settles_and_waiting_work_is_claimed(full: Store) -> None:
    assert full.settle("running", result=b"1" * 1_000)
    assert full.claim_ids() == ["waiting"]
    assert full.settle("waiting", "retry", error=b"{}")

    assert (full.status("running"), full.status("late")) == ("s", "x")


def test_leases_go_on(full: Store) -> None:
    full.join("new")
    assert full.scripts.renew(["w", "new"], lease_ms=30_000) == []

    assert full.reap("w") == [("w", 1)]
    assert "running" in full.claim_ids("new")


def test_operators_can_make_room(full: Store) -> None:
    assert full.scripts.cancel(["waiting"], reason="") == ["cancelled"]
    assert full.scripts.sweep("default", start=0, limit=10) == (-1, 1)
    assert full.scripts.purge("default", limit=10, reason="") == 0
    assert full.scripts.delete_dead(["dead"]) == 1
    assert full.scripts.trim("default", "s", keep_ms=60_000, limit=10, bound_bytes=1, held=True) == 1
