"""What is due: any number of schedulers may try, and for each planned time one wins."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from helperhub.store.record import Record
from helperhub.store.scripts import Scripts

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store


def plan_due(store: Store, *slots: str, helper: str = "tidy") -> int:
    """Plan slots that are due now; return when."""
    store.register(helper)
    due = store.now_ms()
    assert store.plan(*((slot, due) for slot in slots), helper=helper) == len(slots)
    return due


def test_due_shows_what_is_due_and_when_the_rest_is(store: Store) -> None:
    due = plan_due(store, "@1")
    store.register("report")
    store.plan(("@2", due + 90_000), helper="report")

    found = store.scripts.due("s1", limit=10)

    assert [(row.helper, row.slots) for row in found.rows] == [("tidy", (("@1", due, ""),))]
    assert found.next_due_ms == due + 90_000
    assert list(store.catalogue.schedulers()) == ["s1"]


def test_due_shows_thousands_of_due_times_of_one_helper_at_once(store: Store) -> None:
    """Judged a thousand at a time, each thousand ran its latest: an outage was followed by several."""
    store.register()
    due = store.now_ms()
    store.plan(*((f"@{number:05}", due) for number in range(3_000)))

    (row,) = store.scripts.due(limit=10).rows

    assert len(row.slots) == 3_000


def test_due_time_becomes_an_execution_with_its_identity(store: Store) -> None:
    due = plan_due(store, "@1")

    assert store.promote("@1", due) == 1

    assert store.slots() == {}
    assert store.status("tidy@1") == "q"
    assert store.catalogue.next_due() == {}


def test_second_scheduler_is_too_late(store: Store) -> None:
    due = plan_due(store, "@1")
    store.promote("@1", due)
    before = store.snapshot()

    assert store.promote("@1", due) == 0
    assert store.snapshot() == before


def test_second_scheduler_is_too_late_though_the_execution_is_over_and_gone(store: Store) -> None:
    """Taking the slot out of the plan is what wins, not the record."""
    due = plan_due(store, "@1", "@2")
    store.promote("@1", due)
    store.join("w")
    store.claim()
    store.settle("tidy@1")
    store.scripts.trim("default", "s", keep_ms=0, limit=10, bound_bytes=1, held=True)

    assert store.promote("@1", due) == 0


def test_scheduler_that_saw_it_before_it_was_moved_is_too_late(store: Store) -> None:
    due = plan_due(store, "@1")
    store.scripts.mark_plan("tidy", "@1", "move", due_ms=due + 60_000, reason="", record=Record())

    assert store.promote("@1", due) == 0

    assert store.slots() == {"@1": due + 60_000}


def test_of_two_racing_schedulers_one_wins_each_due_time(store: Store) -> None:
    slots = [f"@{number:03}" for number in range(200)]
    due = plan_due(store, *slots)
    won: dict[str, list[int]] = {"a": [], "b": []}
    ready = threading.Barrier(2)

    def race(name: str) -> None:
        scripts = Scripts(store.client, store.keys)
        ready.wait()
        for slot in slots:
            record = Record(helper="tidy", due_ms=due)
            won[name] += scripts.enqueue_due([("tidy", slot, due, record, "q", "")])

    threads = [threading.Thread(target=race, args=[name]) for name in won]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(won["a"]) + sum(won["b"]) == 200
    assert [a + b for a, b in zip(won["a"], won["b"], strict=True)] == [1] * 200
    assert len(store.ids("ready", "default")) == 200


def test_missed_due_time_is_recorded_as_what_the_scheduler_decided(store: Store) -> None:
    due = plan_due(store, "@1", "@2")

    assert store.promote("@1", due, status="x") == 3
    assert store.promote("@2", due, status="k") == 3

    assert (store.status("tidy@1"), store.status("tidy@2")) == ("x", "k")
    assert store.claim_ids() == []


def test_overlap_skip_leaves_a_due_time_out_and_names_what_blocked_it(store: Store) -> None:
    due = plan_due(store, "@1", "@2")
    store.promote("@1", due, overlap="s")

    assert store.promote("@2", due, overlap="s") == 3

    record = store.record("tidy@2")
    assert (record.status, record.reason) == ("k", "overlap: blocked by tidy@1")


def test_overlap_skip_counts_running_and_retrying_ones_as_active(store: Store) -> None:
    due = plan_due(store, "@1", "@2", "@3", "@4")
    store.promote("@1", due, overlap="s")
    store.join("w")
    store.claim()
    assert store.promote("@2", due, overlap="s") == 3
    store.settle("tidy@1", "retry", delay_ms=60_000)
    assert store.promote("@3", due, overlap="s") == 3
    store.scripts.cancel(["tidy@1"], reason="")

    assert store.promote("@4", due, overlap="s") == 1


def test_overlap_allow_enqueues_however_many_are_active(store: Store) -> None:
    due = plan_due(store, "@1", "@2")

    assert store.promote("@1", due) == 1
    assert store.promote("@2", due) == 1


def test_overlap_queue_parks_due_times_and_releases_them_one_by_one(store: Store) -> None:
    due = plan_due(store, "@1", "@2", "@3")
    codes = [store.promote(slot, due + rank, overlap="q") for rank, slot in enumerate(["@1"])]
    codes += [store.promote(slot, due, overlap="q") for slot in ("@2", "@3")]
    store.join("w")

    assert codes == [1, 2, 2]
    assert store.record("tidy@2").reason == "overlap: waits for tidy@1"
    assert store.claim_ids() == ["tidy@1"]
    store.settle("tidy@1")
    assert store.claim_ids() == ["tidy@2"]
    store.settle("tidy@2", "dead")
    assert store.claim_ids() == ["tidy@3"]
    store.settle("tidy@3")


def test_parked_execution_can_be_cancelled(store: Store) -> None:
    due = plan_due(store, "@1", "@2")
    store.promote("@1", due, overlap="q")
    store.promote("@2", due, overlap="q")

    assert store.scripts.cancel(["tidy@2"], reason="") == ["cancelled"]

    store.join("w")
    store.claim()
    store.settle("tidy@1")
    assert store.claim_ids() == []


def test_parked_execution_past_its_expiry_is_recorded_when_its_turn_comes(store: Store) -> None:
    due = plan_due(store, "@1", "@2", "@3")
    store.promote("@1", due, overlap="q")
    store.promote("@2", due, overlap="q", expires_ms=due + 1_000)
    store.promote("@3", due, overlap="q")
    store.join("w")
    store.claim()
    store.advance(5_000)
    store.settle("tidy@1")

    assert store.claim_ids() == ["tidy@3"]
    assert store.status("tidy@2") == "x"


def test_overlap_of_one_helper_doesnt_touch_another(store: Store) -> None:
    due = plan_due(store, "@1")
    store.promote("@1", due, overlap="s")
    other = plan_due(store, "@1", helper="report")

    assert store.promote("@1", other, helper="report", overlap="s") == 1
