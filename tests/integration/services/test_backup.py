"""A hub's state in a file: written while it works, lost, and brought back elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helperhub import Daily, Every, Hub, RetryPolicy, helper
from helperhub.errors import BadBackup, Conflict, HelperHubError, Unauthenticated
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.api_keys import KeyWish
from helperhub.services.audit import AuditFilter
from helperhub.services.backup_file import read_rows
from helperhub.services.helper_updates import HelperUpdate
from helperhub.store import keys
from helperhub.store.backup_rows import ENDED, LEFT_OUT, OPEN, OWN_WAY
from helperhub.store.restore import ShardRestoring
from helperhub.testing import ServerForTests, find_strays
from helperhub.testing.running import build_hub, scheduling, working

OpenHub = Callable[..., Hub]
WaitUntil = Callable[..., None]
LATER = timedelta(hours=2)
gate = threading.Event()


@helper(schedule=Daily("07:30"), concurrency=2, concurrency_key="city", concurrency_per_key=1)
def weather(ctx: Any) -> Any:
    """Return what it was given."""
    return ctx.payload


@helper(queue="low", retry=RetryPolicy(max_attempts=1))
def broken(ctx: Any) -> None:
    """Always fail."""
    message = "it is broken"
    raise RuntimeError(message)


@helper(schedule=Every(timedelta(minutes=30)), overlap="queue")
def slow(ctx: Any) -> str:
    """Run until the test lets it go."""
    gate.wait(20)
    return "done"


@helper
def step(ctx: Any) -> int:
    """Be a part of a chain."""
    time.sleep(0.002)
    return 1


@pytest.fixture
def open_hub() -> Iterator[OpenHub]:
    """Opens the same hub, each time on a server of its own that is empty at first."""
    gate.clear()
    with ExitStack() as stack:

        def start(**settings: str) -> Hub:
            server = stack.enter_context(ServerForTests())
            known = {"HELPERHUB_HUB": "kept", **settings}
            hub = build_hub((weather, broken, slow, step), url=server.url, settings=known)
            stack.callback(hub.close)
            return hub

        yield start
        gate.set()


def strays(hub: Hub) -> list[str]:
    return find_strays(hub.scripts.client, hub.scripts.keys)


def states(hub: Hub) -> dict[str, str]:
    start = len(hub.scripts.keys.at("x", ""))
    keys = hub.scripts.client.scan_iter(match=hub.scripts.keys.at("x", "*"))
    found = hub.records.get_many([key.decode()[start:] for key in keys])
    return {execution.id: execution.status.value for execution in found}


def fill_and_write(hub: Hub, path: Path, wait_until: WaitUntil) -> None:
    """Give the hub something of every kind, and write a backup while one execution runs and one is parked behind it."""
    hub.register()
    hub.helpers.update("weather", HelperUpdate(priority=1), reason="a test")
    hub._planner.plan()
    first, second, *_ = hub.plan.upcoming(helper="slow")
    hub.plan.run(first.id, reason="now")
    hub.api_keys.create(KeyWish("test", frozenset({Scope.READ}), frozenset(), frozenset()))
    with working(hub):
        hub.wait(hub.enqueue("weather", {"city": "Rome"}, id="good", metadata={"app": "a"}))
        hub.wait(hub.enqueue("broken", id="bad"))
        hub.build_clock()._promoter.promote()
        wait_until(lambda: hub.executions.show(first.id).status is Status.RUNNING)
        hub.plan.run(second.id, reason="now too")
        hub.build_clock()._promoter.promote()
        hub.queues.pause("low")
        for city in ("Bonn", "Bonn"):
            hub.enqueue("weather", {"city": city}, delay=LATER)
        hub.enqueue("step", {"n": 1}, id="unique", unique_key="k", delay=LATER)
        hub.enqueue("step", id="hourly", unique_key="h", unique_for=timedelta(hours=1), delay=LATER)
        hub.enqueue("step", id="cancelled", delay=LATER)
        hub.executions.cancel("cancelled", reason="not needed")
        hub.backups.write(path)
        gate.set()


def test_lost_hub_comes_back_on_another_server_and_work_goes_on(
    open_hub: OpenHub, tmp_path: Path, wait_until: WaitUntil
) -> None:
    old, new = open_hub(), open_hub()
    path = tmp_path / "hub.backup"
    fill_and_write(old, path, wait_until)

    done = new.backups.restore(path)

    assert strays(new) == []
    assert (done.backup.totals.open, done.backup.totals.ended, done.doubted, done.deleted) == (6, 3, 0, 0)
    assert Counter(states(new).values()) == {"queued": 6, "success": 1, "error": 1, "cancelled": 1}
    running, parked = sorted(
        (one for one in new.records.get_many(list(states(new))) if one.helper == "slow"), key=lambda one: one.reason
    )
    assert (running.reason, running.delivery) == ("handed out again: restored from a backup", 1)
    assert parked.reason == f"overlap: waits for {running.id}"
    assert new.executions.show("good").metadata == {"app": "a"}
    assert [one.id for one in new.plan.upcoming()] == [one.id for one in old.plan.upcoming()]
    assert new.api_keys.all() == old.api_keys.all()
    assert new.helpers.show("weather")["priority"] == 1
    assert new.dead_letters.count() == 1
    assert new.enqueue("step", unique_key="k") == "unique"
    digest = hashlib.sha1(b"h", usedforsecurity=False).hexdigest()
    assert 3_000_000 < new.scripts.client.pttl(new.scripts.keys.at("unique", "step", digest)) <= 3_600_000
    assert next(queue for queue in new.queues.all() if queue.name == "low").paused
    assert new.audit.find(AuditFilter(), limit=1)[0]["action"] == "hub.restore"
    new.queues.resume("low")
    with working(new), scheduling(new):
        assert new.wait(running.id).status is Status.SUCCESS
        assert new.wait(parked.id).status is Status.SUCCESS
        ((_, again),) = new.dead_letters.replay(["bad"])
        assert new.wait(again).status is Status.ERROR
    assert strays(new) == []


def test_backup_of_a_restored_hub_holds_the_same(open_hub: OpenHub, tmp_path: Path, wait_until: WaitUntil) -> None:
    old, new = open_hub(), open_hub()
    fill_and_write(old, tmp_path / "a", wait_until)

    new.backups.restore(tmp_path / "a")
    again = new.backups.write(tmp_path / "b")

    first = new.backups.check(tmp_path / "a")
    assert (again.totals.open, again.totals.ended) == (first.totals.open, first.totals.ended)


def test_backup_under_load_loses_no_chain_and_has_each_execution_once(open_hub: OpenHub, tmp_path: Path) -> None:
    old, stop = open_hub(), threading.Event()
    old.register()
    last_of_chain: list[str] = []

    def press() -> None:
        while not stop.is_set():
            chain = step.message(1) | step.message() | step.message()
            chain.run()
            last_of_chain.append(chain.messages[-1].message_id)

    pressing = threading.Thread(target=press)
    begun: list[list[str]] = []
    with working(old, threads=4):
        pressing.start()
        for number in range(3):
            deadline = time.monotonic() + 10
            while len(last_of_chain) < 200 * (number + 1) and time.monotonic() < deadline:
                time.sleep(0.001)
            begun.append(list(last_of_chain))
            old.backups.write(tmp_path / str(number))
        stop.set()
        pressing.join()

    for number, chains in enumerate(begun):
        rows = Counter(row.name for row in read_rows(tmp_path / str(number)) if row.kind in (OPEN, ENDED))
        assert set(rows.values()) == {1}
        new = open_hub()
        new.backups.restore(tmp_path / str(number))
        assert strays(new) == []
        with working(new, threads=8):
            unfinished = [
                end for end in chains if new.wait(end, timeout=timedelta(seconds=15)).status is not Status.SUCCESS
            ]
        assert unfinished == []
        assert len(chains) >= 200


def test_what_ended_while_the_backup_was_written_runs_again(open_hub: OpenHub, tmp_path: Path) -> None:
    old, new = open_hub(), open_hub()
    old.register()
    old.enqueue("step", id="open")
    readings, _ = old.backups._readings()
    rows = [row for reading in readings for row in reading.state()]
    with working(old):
        assert old.wait("open").status is Status.SUCCESS

    rows += [row for reading in readings for row in reading.executions()]

    assert [(row.kind, row.name) for row in rows if row.key_kind == "x"] == [(OPEN, b"open")]
    new.close()


@pytest.mark.parametrize("seen_first", [True, False])
def test_dead_letter_that_is_replayed_meanwhile_is_in_the_backup_once(
    open_hub: OpenHub,
    seen_first: bool,
) -> None:
    hub = open_hub()
    hub.register()
    with working(hub):
        hub.wait(hub.enqueue("broken", id="bad"))
    (reading,), _ = hub.backups._readings()
    rows = list(reading.state())
    if seen_first:
        # Its record is read before the replay, and the replay's after it.
        rows += reading._judge(b"bad", hub.scripts.client.get(hub.scripts.keys.record("bad")))
        reading._found.seen.add(b"bad")

    ((_, again),) = hub.dead_letters.replay(["bad"])
    rows += reading.executions()

    ids = {row.name.decode() for row in rows if row.key_kind == "x"}
    dead = {item[0] for row in rows if row.name == b"dead" for item in row.items}
    assert (ids, dead) == (({"bad"}, {b"bad"}) if seen_first else ({"bad", again}, set()))


def test_hub_that_has_something_is_restored_only_in_its_place(
    open_hub: OpenHub, tmp_path: Path, wait_until: WaitUntil
) -> None:
    old, new = open_hub(), open_hub()
    path = tmp_path / "hub.backup"
    fill_and_write(old, path, wait_until)
    new.register()
    new.enqueue("step", id="mine", delay=LATER)

    with pytest.raises(Conflict, match=r"isn't empty: it has 1 executions \(0 dead letters\) and 4 helpers"):
        new.backups.restore(path)
    assert states(new) == {"mine": "queued"}

    done = new.backups.restore(path, replace=True)

    assert done.deleted > 4
    assert "mine" not in states(new)
    assert strays(new) == []


def test_nothing_may_be_at_work_meanwhile(open_hub: OpenHub, tmp_path: Path) -> None:
    hub = open_hub()
    hub.register()
    hub.backups.write(tmp_path / "a")

    with working(hub), pytest.raises(Conflict, match=r"(is|are) at work on hub 'kept'"):
        hub.backups.restore(tmp_path / "a", replace=True)
    hub.scripts.due("someone:1", limit=1)
    with pytest.raises(Conflict, match="'someone:1' is at work"):
        hub.backups.restore(tmp_path / "a", replace=True)
    hub.catalogue.note_stopped("someone:1", now_ms=1)
    hub.backups.restore(tmp_path / "a", replace=True)
    assert strays(hub) == []


def test_restore_that_was_interrupted_is_made_good_by_another(
    open_hub: OpenHub, tmp_path: Path, wait_until: WaitUntil
) -> None:
    old, new = open_hub(), open_hub()
    path = tmp_path / "hub.backup"
    fill_and_write(old, path, wait_until)
    half = ShardRestoring(new.scripts)
    for row in list(read_rows(path))[:-6]:
        half.add(row)
    half._send()
    assert strays(new) != []

    with pytest.raises(Conflict, match="isn't empty"):
        new.backups.restore(path)
    new.backups.restore(path, replace=True)

    assert strays(new) == []
    assert len(states(new)) == 9


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"HELPERHUB_HUB": "another"}, "of hub 'kept'"), ({"HELPERHUB_SHARDS": "2"}, "has 1 shards")],
)
def test_backup_of_another_hub_is_refused_before_anything_is_written(
    open_hub: OpenHub, tmp_path: Path, settings: dict[str, str], why: str
) -> None:
    old, new = open_hub(), open_hub(**settings)
    old.register()
    old.backups.write(tmp_path / "a")

    with pytest.raises(BadBackup, match=why):
        new.backups.restore(tmp_path / "a")
    assert new.backups.contents().keys == 0


def test_damaged_file_is_refused_before_anything_is_written(
    open_hub: OpenHub, tmp_path: Path, wait_until: WaitUntil
) -> None:
    old, new = open_hub(), open_hub()
    fill_and_write(old, tmp_path / "whole", wait_until)
    whole = (tmp_path / "whole").read_bytes()
    head = whole.index(b"\n") + 1
    damaged = {
        "empty": b"",
        "another": b"not a backup\n" + whole,
        "cut": whole[:-20],
        "cut early": whole[: head + 30],
        "longer": whole + b"more",
        "schema": whole.replace(b'"schema":2', b'"schema":1', 1),
        "rows left out": whole[:head] + gzip.compress(gzip.decompress(whole[head:])[200:]),
        **{
            f"byte {at}": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
            for at in range(head + 12, len(whole), len(whole) // 25)
        },
    }

    for name, content in damaged.items():
        (tmp_path / "damaged").write_bytes(content)
        with pytest.raises(BadBackup):
            new.backups.restore(tmp_path / "damaged")
        assert new.backups.contents().keys == 0, name


def test_file_is_for_its_owner_alone_and_takes_the_place_of_an_older_one_at_once(
    open_hub: OpenHub, tmp_path: Path
) -> None:
    hub, path = open_hub(), tmp_path / "a"
    hub.register()
    path.write_text("an older one")
    path.chmod(0o644)

    hub.backups.write(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    with pytest.raises(HelperHubError, match="can't be written"):
        hub.backups.write(tmp_path / "nowhere" / "a")


def test_executions_that_no_key_here_has_signed_are_told(open_hub: OpenHub, tmp_path: Path) -> None:
    old = open_hub()
    new = open_hub(HELPERHUB_SIGNING__KEYS="other:" + "YW5vdGhlciBrZXkgZm9yIHRlc3RzLCBhbG9uZyBvbmU=")
    old.register()
    old.enqueue("step", delay=LATER)
    old.backups.write(tmp_path / "a")

    assert new.backups.restore(tmp_path / "a").doubted == 1


def test_hub_of_several_shards_comes_back(open_hub: OpenHub, tmp_path: Path) -> None:
    several = {"HELPERHUB_SHARDS": "2", "HELPERHUB_QUEUES__DEFAULT__SHARD": "1"}
    old, new = open_hub(**several), open_hub(**several)
    old.register()
    old._planner.plan()
    old.enqueue("step", id="one", delay=LATER)
    old.backups.write(tmp_path / "a")

    new.backups.restore(tmp_path / "a")

    assert new.executions.show("one").status is Status.QUEUED
    assert new.plan.upcoming() == old.plan.upcoming()
    assert [find_strays(part.client, part.keys) for part in new.scripts.each] == [[], []]


def test_nobody_is_signed_in_by_a_restore(open_hub: OpenHub, tmp_path: Path) -> None:
    old, new = open_hub(), open_hub()
    session, link = old.sessions.redeem(old.sessions.make_link("one")).token, old.sessions.make_link("another")
    old.backups.write(tmp_path / "a")
    new.backups.restore(tmp_path / "a")

    for enter, shown in ((new.sessions.find, session), (new.sessions.redeem, link)):
        with pytest.raises(Unauthenticated):
            enter(shown)


def test_every_kind_that_is_treated_apart_is_in_the_table_of_keys() -> None:
    table = {
        line.split()[1].split(":")[1].split("<")[0]
        for line in (keys.__doc__ or "").splitlines()
        if line.startswith("| P:")
    }
    assert (LEFT_OUT | OWN_WAY) - table == set()
