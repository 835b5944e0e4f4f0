"""Undoing what was deleted, replayed and purged: exactly that, once, and saying what stays."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from tests.integration.services.test_executions import MINUTELY, give_up, signed

from helperhub import Hub
from helperhub.errors import Forbidden, NotFound
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Status, Trigger
from helperhub.model.helper import HelperSpec, Overlap
from helperhub.services.audit import AuditFilter, acting_as
from helperhub.services.undo import Change, Undoable
from helperhub.store.record import Record, pack_record
from helperhub.store.scripts import Settlement

DAY_MS = 86_400_000
KEEP_MS = 7 * DAY_MS
RUNNER = Principal("key:runner", frozenset({Scope.RUN}))


def dead_ids(hub: Hub) -> list[str]:
    return [*hub.executions.records.dead_ids()]


def claim(hub: Hub, *, number: int) -> list[str]:
    hub.scripts.join("w", lease_ms=60_000, about={"queues": "default"})
    found = hub.scripts.claim("w", ["default"], number=number, want=1, will_wait=False, waited=False)
    return [id_ for id_, _ in found.records]


def advance(hub: Hub, ms: int) -> None:
    """Let time pass: Redis TIME never runs backwards, so its memory is set forward."""
    hub.scripts.client.set(hub.scripts.keys.at("clock"), hub.scripts.due(limit=1).now_ms + ms)


def trim(hub: Hub) -> None:
    hub.scripts.trim("default", "f", keep_ms=KEEP_MS, limit=100, bound_bytes=0, held=True)


def _digest(unique: str) -> str:
    return hashlib.sha1(unique.encode(), usedforsecurity=False).hexdigest()


def publish(hub: Hub, id_: str, **places: object) -> None:
    hub.scripts.publish([signed(hub, id_, Record(helper="tidy", call=id_, **places))])  # type: ignore[arg-type]


def test_deleted_dead_letters_are_put_back_in_their_order(hub: Hub) -> None:
    give_up(hub, ["a", "b", "c"])
    before, change = dead_ids(hub), hub.undo.begin(Change.DELETE)
    assert hub.dead_letters.delete(["a", "c"], undo=change) == 2
    assert dead_ids(hub) == ["b"]

    undone = hub.undo.take_back(change.id)

    assert (undone.undone, undone.kept, undone.again) == (2, 0, False)
    assert dead_ids(hub) == before
    ((_, new),) = hub.dead_letters.replay(["a"])
    assert hub.executions.get(new).replay_of == "a"


def test_second_undo_does_nothing_and_says_so(hub: Hub) -> None:
    give_up(hub, ["a", "b"])
    change = hub.undo.begin(Change.DELETE)
    hub.dead_letters.delete(["a", "b"], undo=change)
    hub.undo.take_back(change.id)
    hub.dead_letters.delete(["a"])

    again = hub.undo.take_back(change.id)

    assert (again.undone, again.kept, again.again) == (2, 0, True)
    assert again.in_words() == "That was undone before. 2 dead letters put back."
    assert dead_ids(hub) == ["b"]


def test_dead_letter_whose_history_had_ended_comes_back_and_can_be_deleted_again(hub: Hub) -> None:
    """Its record is removed with it, for nothing else leads to it: it is kept apart for the time."""
    give_up(hub, ["a", "b"])
    advance(hub, 2 * KEEP_MS)
    trim(hub)
    client, keys = hub.scripts.client, hub.scripts.keys
    raw, size = client.get(keys.record("a")), client.hget(keys.at("history"), "bytes")
    change = hub.undo.begin(Change.DELETE)
    hub.dead_letters.delete(["a"], undo=change)
    assert hub.executions.records.get("a") is None

    assert hub.undo.take_back(change.id).undone == 1

    assert client.get(keys.record("a")) == raw
    assert client.hget(keys.at("history"), "bytes") == size
    assert [one.id for one in hub.executions.records.of_helper("tidy")] == ["b", "a"]
    hub.dead_letters.delete_all()
    assert hub.executions.records.get("a") is None


def test_damaged_dead_letter_comes_back_as_damaged_as_it_was(hub: Hub) -> None:
    give_up(hub, ["a"])
    key = hub.scripts.keys.record("a")
    intact = hub.scripts.client.get(key)
    hub.scripts.client.set(key, b"garbage")
    change = hub.undo.begin(Change.DELETE)
    hub.dead_letters.delete_all(undo=change)

    hub.undo.take_back(change.id)

    assert hub.scripts.client.get(key) == b"garbage"
    assert dead_ids(hub) == ["a"]
    hub.scripts.client.set(key, intact)


def test_what_was_replayed_meanwhile_is_no_dead_letter_again(hub: Hub) -> None:
    give_up(hub, ["a", "b"])
    change = hub.undo.begin(Change.DELETE)
    hub.dead_letters.delete(["a", "b"], undo=change)
    hub.executions.replay(["a"])

    undone = hub.undo.take_back(change.id)

    assert (undone.undone, undone.kept) == (1, 1)
    assert dead_ids(hub) == ["b"]
    assert "1 couldn't be put back: replayed meanwhile" in undone.in_words()


def test_replays_that_havent_started_are_taken_back_and_the_others_stay(hub: Hub) -> None:
    give_up(hub, ["a", "b", "c"])
    reason, change = hub.executions.get("b").reason, hub.undo.begin(Change.REPLAY)
    replayed = dict(hub.dead_letters.replay(["a", "b", "c"], undo=change))
    (started,) = claim(hub, number=10**14)

    undone = hub.undo.take_back(change.id)

    assert (undone.undone, undone.kept) == (2, 1)
    assert undone.in_words() == "2 replays taken back. 1 replay had started, and stays."
    stays = next(old for old, new in replayed.items() if new == started)
    assert sorted([*dead_ids(hub), stays]) == ["a", "b", "c"]
    back = next(iter(dead_ids(hub)))
    assert (hub.executions.get(back).reason, hub.executions.get(back).status) == (reason, Status.ERROR)
    assert hub.executions.get(replayed[back]).status is Status.CANCELLED
    assert len(hub.dead_letters.replay([back])) == 1


def test_replay_that_waits_for_its_next_attempt_has_started(hub: Hub) -> None:
    give_up(hub, ["a"], max_attempts=3)
    change = hub.undo.begin(Change.REPLAY)
    ((_, new),) = hub.dead_letters.replay(["a"], undo=change)
    claim(hub, number=10**14)
    hub.scripts.settle("w", [Settlement(new, 10**14, "retry", delay_ms=60_000)])

    undone = hub.undo.take_back(change.id)

    assert (undone.undone, undone.kept) == (0, 1)
    assert hub.executions.get(new).status is Status.QUEUED


def test_replay_of_what_was_no_dead_letter_is_cancelled_only(hub: Hub) -> None:
    publish(hub, "a")
    claim(hub, number=1)
    hub.scripts.settle("w", [Settlement("a", 1, "done")])
    change = hub.undo.begin(Change.REPLAY)
    ((_, new),) = hub.executions.replay(["a"], undo=change)

    assert hub.undo.take_back(change.id).undone == 1

    assert (dead_ids(hub), hub.executions.get(new).status) == ([], Status.CANCELLED)
    assert hub.executions.get("a").status is Status.SUCCESS


def test_purged_executions_wait_again_as_they_did(hub: Hub) -> None:
    now = hub.scripts.due(limit=1).now_ms
    publish(hub, "ready", priority=1, expires_ms=now + DAY_MS)
    publish(hub, "later", due_ms=now + 3_600_000)
    publish(hub, "only", unique="u", attempt=2, max_attempts=5)
    change = hub.undo.begin(Change.PURGE, "default")
    assert hub.queues.purge("default", undo=change) == 3
    publish(hub, "new")

    undone = hub.undo.take_back(change.id)

    assert (undone.undone, undone.kept, undone.change.target) == (3, 0, "default")
    back = {one.replay_of: one for one in hub.executions.records.waiting(["default"]) if one.replay_of}
    assert set(back) == {"ready", "later", "only"}
    for old, new in back.items():
        was = hub.executions.get(old)
        assert was.status is Status.CANCELLED
        assert (new.due_at, new.expires_at, new.priority) == (was.due_at, was.expires_at, was.priority)
        assert (new.attempt, new.max_attempts, new.trigger) == (was.attempt, was.max_attempts, Trigger.REPLAY)
    (stats,) = hub.queues.all()
    assert (stats.ready, stats.delayed) == (3, 1)
    assert hub.scripts.client.get(hub.scripts.keys.at("unique", "tidy", _digest("u"))).decode() == back["only"].id


def test_parked_executions_wait_behind_the_running_one_again(hub: Hub) -> None:
    hub.helpers.register([HelperSpec("queue", schedules=MINUTELY, overlap=Overlap.QUEUE)], exclusive=False)
    for _ in range(3):
        hub.scripts.client.set(hub.scripts.keys.at("clock"), min(hub.catalogue.next_due().values()) + 1)
        hub.build_clock()._promoter.promote()
    (running,) = claim(hub, number=1)
    change = hub.undo.begin(Change.PURGE, "default")
    assert hub.queues.purge("default", undo=change) == 2

    assert hub.undo.take_back(change.id).undone == 2

    (stats,) = hub.queues.all()
    assert (stats.ready, stats.parked) == (0, 2)
    assert hub.scripts.settle("w", [Settlement(running, 1, "done")]) == [True]
    (stats,) = hub.queues.all()
    assert (stats.ready, stats.parked) == (1, 1)


def test_purge_of_many_is_undone_wholly_and_once(hub: Hub) -> None:
    for number in range(450):
        publish(hub, f"e{number}")
    change = hub.undo.begin(Change.PURGE, "default")
    hub.queues.purge("default", undo=change)

    first, second = hub.undo.take_back(change.id), hub.undo.take_back(change.id)

    assert (first.undone, first.again) == (450, False)
    assert (second.undone, second.again) == (450, True)
    waiting = [str(one.replay_of) for one in hub.executions.records.waiting(["default"])]
    assert sorted(waiting) == sorted(f"e{number}" for number in range(450))


def test_purged_execution_whose_unique_key_another_has_stays_cancelled(hub: Hub) -> None:
    publish(hub, "a", unique="u")
    publish(hub, "b")
    change = hub.undo.begin(Change.PURGE, "default")
    hub.queues.purge("default", undo=change)
    publish(hub, "c", unique="u")

    undone = hub.undo.take_back(change.id)

    assert (undone.undone, undone.kept) == (1, 1)
    assert "another has their unique key" in undone.in_words()


def test_forged_execution_isnt_signed_by_undoing_its_purge(hub: Hub) -> None:
    publish(hub, "a")
    publish(hub, "b")
    record = hub.executions.records.record("a")
    assert record is not None
    record.body = signed(hub, "other", Record(helper="tidy")).record.body
    hub.scripts.client.set(hub.scripts.keys.record("a"), pack_record(record))
    change = hub.undo.begin(Change.PURGE, "default")
    hub.queues.purge("default", undo=change)

    undone = hub.undo.take_back(change.id)

    assert (undone.undone, undone.kept) == (1, 1)


def test_running_mass_replay_is_stopped_and_puts_nothing_back_any_more(hub: Hub) -> None:
    give_up(hub, ["a", "b"])
    id_ = "02replays"
    hub.scripts.publish([signed(hub, id_, Record(helper="helperhub.replay", call=id_))])
    assert claim(hub, number=10**14) == [id_]
    part = Undoable(id_, Change.REPLAY)
    assert len(hub.executions.put_back(["a"], undo=part)) == 1

    undone = hub.undo.take_back(id_)

    assert (undone.undone, undone.kept) == (1, 0)
    assert hub.executions.put_back(["b"], undo=part) == []
    assert sorted(dead_ids(hub)) == ["a", "b"]


def test_mass_replay_that_hasnt_begun_never_does(hub: Hub) -> None:
    give_up(hub, ["a"])
    id_ = "01replays"
    hub.scripts.publish([signed(hub, id_, Record(helper="helperhub.replay", call=id_))])

    undone = hub.undo.take_back(id_)

    assert (undone.undone, undone.kept) == (0, 0)
    assert undone.in_words() == "It was stopped before it had replayed anything."
    assert hub.executions.get(id_).status is Status.CANCELLED


def test_change_is_forgotten_in_time_and_unknown_ones_are_told(hub: Hub) -> None:
    give_up(hub, ["a"])
    change = hub.undo.begin(Change.DELETE)
    hub.dead_letters.delete(["a"], undo=change)
    keys = hub.scripts.keys
    left = [hub.scripts.client.pttl(keys.at(kind, change.id)) for kind in ("undo", "undorows")]
    assert all(0 < one <= timedelta(minutes=10) / timedelta(milliseconds=1) for one in left)
    hub.scripts.client.delete(keys.at("undo", change.id), keys.at("undorows", change.id))

    for id_ in (change.id, "nobody"):
        with pytest.raises(NotFound, match="no change"):
            hub.undo.take_back(id_)


def test_who_may_not_delete_may_not_undo_that(hub: Hub) -> None:
    give_up(hub, ["a", "b"])
    deleted, replayed = hub.undo.begin(Change.DELETE), hub.undo.begin(Change.REPLAY)
    hub.dead_letters.delete(["a"], undo=deleted)
    hub.dead_letters.replay(["b"], undo=replayed)

    with acting_as(RUNNER):
        with pytest.raises(Forbidden, match="needs manage"):
            hub.undo.take_back(deleted.id)
        assert hub.undo.take_back(replayed.id).undone == 1
    assert dead_ids(hub) == ["b"]


def test_narrowed_caller_undoes_only_what_he_did(hub: Hub) -> None:
    give_up(hub, ["a", "b"])
    narrowed = Principal("key:own", frozenset({Scope.MANAGE}), helpers=frozenset({"tidy"}))
    others = hub.undo.begin(Change.DELETE)
    hub.dead_letters.delete(["a"], undo=others)

    with acting_as(narrowed):
        own = hub.undo.begin(Change.DELETE)
        hub.dead_letters.delete(["b"], undo=own)
        with pytest.raises(NotFound):
            hub.undo.take_back(others.id)
        assert hub.undo.take_back(own.id).undone == 1


def test_undoing_is_on_record_once(hub: Hub) -> None:
    give_up(hub, ["a"])
    change = hub.undo.begin(Change.DELETE)
    hub.dead_letters.delete(["a"], undo=change)
    hub.undo.take_back(change.id)
    hub.undo.take_back(change.id)

    entries = hub.audit.find(AuditFilter(), limit=10)

    assert [one["action"] for one in entries] == ["dead.delete-undone", "dead.delete"]
    assert entries[0]["after"] == {"undone": 1, "kept": 0}
    assert entries[1]["after"] == entries[0]["before"] == {"undo": change.id}
