"""Executions and dead letters as people handle them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

import pytest

from helperhub import Every, Hub
from helperhub.errors import Conflict, NotFound
from helperhub.model.execution import Status, Trigger
from helperhub.model.helper import HelperSpec, Overlap
from helperhub.model.instant import epoch_ms
from helperhub.services.executions import ExecutionFilter
from helperhub.store.body import Envelope
from helperhub.store.record import Record
from helperhub.store.scripts import Gone, Publication, Settlement

MINUTELY = {"": Every(timedelta(minutes=1))}


def signed(hub: Hub, id_: str, record: Record) -> Publication:
    """Return what enqueues an execution without arguments."""
    record.body = hub.envelopes.pack(id_, record, Envelope())
    return Publication(id_, record)


def give_up(hub: Hub, ids: Iterable[str], **places: object) -> None:
    """Let executions become dead letters."""
    hub.scripts.join("w", lease_ms=60_000, about={"queues": "default"})
    for number, id_ in enumerate(ids, hub.scripts.due(limit=1).now_ms):
        hub.scripts.publish([signed(hub, id_, Record(helper="tidy", call=id_, **places))])  # type: ignore[arg-type]
        hub.scripts.claim("w", ["default"], number=number, want=10, will_wait=False, waited=False)
        hub.scripts.settle("w", [Settlement(id_, number, "dead")])


def found(hub: Hub, *statuses: Status, helper: str | None = None) -> list[str]:
    wanted = ExecutionFilter(statuses=frozenset(statuses), helper=helper)
    return [execution.id for execution in hub.executions.find(wanted, limit=100)]


def test_replayed_dead_letter_is_linked_to_the_one_before(hub: Hub) -> None:
    give_up(hub, ["a"], metadata=b'{"app":"x"}')

    ((old, new),) = hub.dead_letters.replay(["a"])

    execution = hub.executions.get(new)
    assert (old, execution.replay_of, execution.trigger) == ("a", "a", Trigger.REPLAY)
    assert execution.metadata == {"app": "x"}
    assert (execution.attempt, execution.delivery) == (1, 0)


def test_replaying_all_passes_over_what_cant_be_read(hub: Hub) -> None:
    """One damaged dead letter kept all others from being replayed."""
    give_up(hub, ["a", "b", "c"])
    hub.scripts.client.set(hub.scripts.keys.record("b"), b"garbage")

    replayed = hub.dead_letters.replay_all()

    assert sorted(old for old, _ in replayed) == ["a", "c"]
    assert list(hub.records.dead_ids()) == ["b"]
    hub.dead_letters.delete_all()
    hub.scripts.client.delete(hub.scripts.keys.at("of", "tidy", "f"), hub.scripts.keys.at("ended", "default", "f"))
    for id_ in ("a", "c"):
        hub.scripts.client.delete(hub.scripts.keys.record(id_))


def test_execution_that_was_replayed_or_deleted_is_still_found_among_the_errors(hub: Hub) -> None:
    """Only dead letters were listed: who had replayed one couldn't find what it had been."""
    give_up(hub, ["a", "b", "c"])
    hub.dead_letters.replay(["a"])
    hub.dead_letters.delete(["b"])

    assert found(hub, Status.ERROR) == ["c", "b", "a"]


def test_replay_counts_as_active_for_its_helpers_overlap(hub: Hub) -> None:
    """A due time ran beside the replay of an earlier one, though its helper skips overlaps."""
    give_up(hub, ["a"], overlap="s")

    ((_, new),) = hub.dead_letters.replay(["a"])

    assert [execution.id for execution in hub.records.active("tidy")] == [new]


def test_planned_execution_is_cancelled_by_skipping_it(hub: Hub) -> None:
    hub.helpers.register([HelperSpec("tidy", schedules=MINUTELY)], exclusive=False)
    planned = hub.plan.upcoming()[0].id

    assert hub.executions.cancel(planned, reason="rain") == "cancelled"

    execution = hub.executions.get(planned)
    assert (execution.status, execution.reason) == (Status.SKIPPED, "cancelled: rain")
    with pytest.raises(Conflict, match="is over: skipped"):
        hub.executions.cancel(planned, reason="")


def test_cancelling_what_nobody_knows_says_so(hub: Hub) -> None:
    with pytest.raises(NotFound, match="Nothing is known of execution 'nobody'"):
        hub.executions.cancel("nobody", reason="")
    with pytest.raises(NotFound):
        hub.executions.cancel("tidy@20261123T083000Z", reason="")


def test_execution_that_isnt_over_cant_be_replayed(hub: Hub) -> None:
    hub.scripts.publish([signed(hub, "a", Record(helper="tidy"))])

    with pytest.raises(Conflict, match="isn't over yet"):
        hub.executions.replay(["a"])


def test_overlapping_due_time_waits_or_is_skipped_as_its_helper_says(hub: Hub) -> None:
    specs = [HelperSpec(name, schedules=MINUTELY, overlap=Overlap(name)) for name in ("skip", "queue", "allow")]
    hub.helpers.register(specs, exclusive=False)
    clock = hub.scripts.keys.at("clock")
    for _ in range(2):
        first = min(hub.catalogue.next_due().values())
        hub.scripts.client.set(clock, first + 1)
        hub.build_clock()._promoter.promote()

    counts = {
        name: sorted(execution.status.value for execution in hub.executions.find(ExecutionFilter(helper=name), limit=9))
        for name in ("skip", "queue", "allow")
    }

    assert counts == {"skip": ["queued", "skipped"], "queue": ["queued", "queued"], "allow": ["queued", "queued"]}
    parked = {execution.reason.split(" for ")[0] for execution in hub.records.parked(["queue"])}
    assert parked == {"overlap: waits"}


def test_history_is_found_by_helper_status_and_time(hub: Hub) -> None:
    give_up(hub, ["a"])
    hub.scripts.publish([signed(hub, "b", Record(helper="report/daily"))])
    hub.scripts.cancel(["b"], reason="")

    assert found(hub) == ["b", "a"]
    assert found(hub, helper="report/daily") == ["b"]
    assert found(hub, Status.CANCELLED) == ["b"]
    ended = hub.executions.get("b").finished_at
    assert ended is not None
    later = ExecutionFilter(since=ended + timedelta(seconds=5))
    assert hub.executions.find(later, limit=9) == []
    assert epoch_ms(ended) > 0


def test_purge_takes_what_waits_behind_a_running_execution_too(hub: Hub) -> None:
    """Each one that ended released another into the queue that had been emptied."""
    hub.helpers.register([HelperSpec("queue", schedules=MINUTELY, overlap=Overlap.QUEUE)], exclusive=False)
    for _ in range(3):
        hub.scripts.client.set(hub.scripts.keys.at("clock"), min(hub.catalogue.next_due().values()) + 1)
        hub.build_clock()._promoter.promote()
    hub.scripts.join("w", lease_ms=60_000, about={})
    ((running, _),) = hub.scripts.claim("w", ["default"], number=1, want=5, will_wait=False, waited=False).records
    assert hub.queues.all()[0].parked == 2

    assert hub.queues.purge("default") == 2

    ends = Counter(execution.status for execution in hub.executions.find(ExecutionFilter(helper="queue"), limit=9))
    assert ends == {Status.RUNNING: 1, Status.CANCELLED: 2}
    assert hub.scripts.settle("w", [Settlement(running, 1, "done")]) == [True]
    assert hub.queues.all()[0].ready == 0
    hub.scripts.reap([Gone("w", "it stopped", ())])
