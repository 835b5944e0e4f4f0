"""Redis users by role on a real server: each does its work, and nothing beyond."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from click.testing import CliRunner, Result
from tests.integration.trust.roles import UrlOf, refusals

from helperhub import Every, Helper, Hub, RetryPolicy, helper
from helperhub.cli.main import command
from helperhub.errors import StoreError, StoreForbidden
from helperhub.model.execution import Status
from helperhub.services.acl import Role, build_rules
from helperhub.services.undo import Change, Undoable
from helperhub.store.scripts import Settlement
from helperhub.testing import find_strays
from helperhub.testing.running import KNOWN_KEYS, build_hub, scheduling, working
from helperhub.testing.server import ServerForTests

SOON = timedelta(seconds=15)
FAST = RetryPolicy(max_attempts=2, min_backoff=timedelta(milliseconds=10), max_backoff=timedelta(milliseconds=10))


@helper(queue="reports", schedule=Every(timedelta(seconds=1)))
def report(ctx: Any) -> Any:
    return ctx.payload


@helper(queue="reports", retry=FAST)
def broken(ctx: Any) -> None:
    message = "no such report"
    raise LookupError(message)


@helper
def pay(ctx: Any) -> Any:
    return ctx.payload


HELPERS: tuple[Helper, ...] = (report, broken, pay)


@pytest.fixture
def open_hub(hub_name: str, admin: Any) -> Iterator[Callable[[str], Hub]]:
    opened: list[Hub] = []

    def open_hub(url: str) -> Hub:
        opened.append(build_hub(HELPERS, url=url, settings={"HELPERHUB_HUB": hub_name}))
        return opened[-1]

    yield open_hub
    for hub in opened:
        hub.broker.stop_worker()
    strays = find_strays(admin, opened[0].scripts.keys)
    for hub in opened:
        hub.close()
    assert strays == []


def test_hub_runs_with_a_user_for_each_role_and_nothing_is_refused(
    url_of: UrlOf, open_hub: Callable[[str], Hub], admin: Any
) -> None:
    planner, worker = open_hub(url_of(Role.SCHEDULER)), open_hub(url_of(Role.WORKER, "reports"))
    web = open_hub(url_of(Role.WEB))
    planner.register()

    with scheduling(planner), working(worker, queues=["reports"]):
        asked = web.wait(web.enqueue("report", {"n": 1}), timeout=SOON)
        failed = web.wait(web.enqueue("broken"), timeout=SOON)
        deadline = time.monotonic() + 15
        while not any(found.trigger == "schedule" for found in web.records.finished()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        web.helpers.disable("report")
        ((_, replayed),) = web.dead_letters.replay([failed.id])
        web.wait(replayed, timeout=SOON)
        deleted = web.undo.begin(Change.DELETE)
        web.dead_letters.delete([replayed], undo=deleted)
        assert web.undo.take_back(deleted.id).undone == 1
        # As a worker process does that replays many.
        assert len(worker.executions.put_back([replayed], undo=Undoable("many", Change.REPLAY))) == 1
    web.undo.take_back("many")
    purged, _ = web.undo.begin(Change.PURGE), web.enqueue("pay")
    web.queues.purge("default", undo=purged)
    assert web.undo.take_back(purged.id).undone == 1
    planner.build_clock()
    planner.scripts.trim("reports", "s", keep_ms=0, limit=100, bound_bytes=0, held=True)
    planner.scripts.sweep("reports", start=0, limit=100)

    assert (asked.status, failed.status) == (Status.SUCCESS, Status.ERROR)
    assert refusals(admin) == []


def test_worker_of_one_queue_cant_put_work_into_another(
    url_of: UrlOf, open_hub: Callable[[str], Hub], admin: Any, server: ServerForTests
) -> None:
    whole, worker = open_hub(url_of(Role.SCHEDULER)), open_hub(url_of(Role.WORKER, "reports"))
    whole.register()
    keys = worker.scripts.keys

    with pytest.raises(StoreForbidden, match="may not enqueue into queue 'default'"):
        worker.enqueue("pay", 1_000_000)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: worker.scripts.client.zadd(keys.at("ready", "default"), {"x": 1}),
        lambda: worker.scripts.client.zadd(keys.at("delayed", "high"), {"3x": 1}),
        lambda: worker.scripts.client.eval("return redis.call('ZADD', KEYS[1], 1, 'x')", 1, keys.at("ready", "high")),
        lambda: worker.scripts.client.eval(
            "return redis.call('ZADD', ARGV[1], 1, 'x')", 1, keys.prefix, keys.at("ready", "high")
        ),
        lambda: worker.scripts.client.hset(keys.at("catalogue"), "pay", "{}"),
        lambda: worker.scripts.client.hset(keys.at("overrides"), "pay", "{}"),
        lambda: worker.scripts.client.sadd(keys.at("paused"), "default"),
        lambda: worker.scripts.client.set("helperhub", 1),
    )
    for raw in attempts:
        with pytest.raises(redis.exceptions.ResponseError, match=r"NOPERM|ACL failure|permission"):
            raw()

    assert list(whole.records.waiting(["high", "default", "reports"])) == []


@pytest.mark.parametrize("role", Role)
def test_no_role_may_do_what_belongs_to_the_operator_of_redis(
    role: Role, url_of: UrlOf, open_hub: Callable[[str], Hub]
) -> None:
    client: Any = open_hub(url_of(role)).scripts.client

    for words in (
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        # A backup has to find all keys of the hub; it is told the names of others' too.
        *([("SCAN", "0")] if role is not Role.BACKUP else []),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("ACL", "LIST"),
        ("SHUTDOWN",),
        ("SCRIPT", "FLUSH"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("MONITOR",),
        ("GET", "another-application"),
    ):
        with pytest.raises(redis.exceptions.ResponseError, match=r"permission"):
            client.execute_command(*words)


def test_worker_that_serves_a_queue_it_isnt_permitted_takes_nothing_and_says_so(
    url_of: UrlOf, open_hub: Callable[[str], Hub], admin: Any
) -> None:
    worker = open_hub(url_of(Role.WORKER, "reports"))
    worker.scripts.join("w", lease_ms=60_000, about={"queues": "reports,default"})
    open_hub(url_of(Role.SCHEDULER)).register()
    worker.enqueue("report", 1)

    with pytest.raises(StoreError, match="may not serve queue 'default'"):
        worker.scripts.claim("w", ["reports", "default"], number=1, want=9, will_wait=True, waited=False)

    assert len(list(worker.records.waiting(["reports"]))) == 1
    worker.executions.cancel(next(worker.records.waiting(["reports"])).id, reason="")
    admin.zrem(worker.scripts.keys.at("workers"), "w")
    admin.delete(worker.scripts.keys.at("worker", "w"))


def test_worker_of_one_queue_leaves_the_work_of_a_dead_worker_of_another_to_others(
    url_of: UrlOf, open_hub: Callable[[str], Hub]
) -> None:
    """A script that was refused halfway left an execution that was in no queue any more."""
    whole, worker = open_hub(url_of(Role.SCHEDULER)), open_hub(url_of(Role.WORKER, "reports"))
    whole.register()
    paid = whole.enqueue("pay", 5)
    whole.scripts.join("other", lease_ms=1, about={"queues": "default"})
    whole.scripts.claim("other", ["default"], number=1, want=9, will_wait=False, waited=False)
    time.sleep(0.01)

    assert worker.scripts.reap() == []
    assert [(reaped.worker, reaped.handed_out) for reaped in whole.scripts.reap()] == [("other", 1)]

    assert whole.executions.get(paid).status is Status.QUEUED
    whole.executions.cancel(paid, reason="")


def test_worker_of_one_queue_frees_slots_that_others_wait_for(url_of: UrlOf, open_hub: Callable[[str], Hub]) -> None:
    whole, worker = open_hub(url_of(Role.SCHEDULER)), open_hub(url_of(Role.WORKER, "reports"))
    whole.register()
    whole.scripts.set_rules({"helper:report": "1 0 9 1000 0 0 0", "all": "1"})
    whole.scripts.join("other", lease_ms=60_000, about={"queues": "default"})
    paid = whole.enqueue("pay", 5)
    # Within one millisecond it is chance which of them comes first.
    reports = {str(whole.enqueue("report", number)) for number in range(2)}
    worker.scripts.join("w", lease_ms=60_000, about={"queues": "reports"})

    for number in (1, 2):
        claimed = worker.scripts.claim("w", ["reports"], number=number, want=9, will_wait=False, waited=False)
        ((id_, _),) = claimed.records
        reports.remove(id_)
        waiting = whole.scripts.claim("other", ["default"], number=number, want=9, will_wait=True, waited=False)
        assert waiting.records == ()
        assert worker.scripts.settle("w", [Settlement(id_, number, "done")]) == [True]

    taken = whole.scripts.claim("other", ["default"], number=9, want=9, will_wait=False, waited=True)
    assert [found for found, _ in taken.records] == [paid]
    assert whole.scripts.settle("other", [Settlement(paid, 9, "done")]) == [True]
    whole.scripts.set_rules({"helper:report": "", "all": ""})


def test_what_follows_into_a_queue_that_isnt_permitted_is_left_out_with_the_reason(
    url_of: UrlOf, open_hub: Callable[[str], Hub], admin: Any
) -> None:
    worker = open_hub(url_of(Role.WORKER, "reports"))
    first = dramatiq.actor(actor_name="first", queue_name="reports", broker=worker.broker)(lambda: 1)
    second = dramatiq.actor(actor_name="second", queue_name="low", broker=worker.broker)(lambda *args: args)

    with working(worker, queues=["reports"]):
        sent = (first.message() | second.message()).run()
        end = worker.wait(sent.messages[0].message_id, timeout=SOON)

    assert end.status is Status.SUCCESS
    assert "may not enqueue into 'low'" in end.reason
    assert [entry for entry in refusals(admin) if "lua" in entry] == []


def test_read_only_user_sees_everything_and_changes_nothing(
    url_of: UrlOf, open_hub: Callable[[str], Hub], admin: Any, hub_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_hub(url_of(Role.SCHEDULER))
    whole.register()
    waiting = whole.enqueue("report", 1)
    planned = whole.plan.upcoming(helper="report")[-1].id
    monkeypatch.setenv("HELPERHUB_HUB", hub_name)
    monkeypatch.setenv("HELPERHUB_SIGNING__KEYS", KNOWN_KEYS)
    monkeypatch.setenv("HELPERHUB_REDIS_URL", url_of(Role.READ_ONLY))

    def call(*words: str) -> Result:
        return CliRunner().invoke(command, [*words, "--json"], prog_name="helperhub")

    before = sorted((key, admin.dump(key)) for key in admin.scan_iter(f"{whole.scripts.keys.prefix}*"))
    seen = {
        words: call(*words.split())
        for words in (
            "helpers list",
            "helpers show report",
            "executions list",
            f"executions show {waiting}",
            "plan list",
            "dead list",
            "queues list",
            "workers list",
            "trust status",
        )
    }
    assert refusals(admin) == []
    refused = {
        words: call(*words.split())
        for words in (
            "helpers run report",
            "helpers disable report",
            f"executions cancel {waiting}",
            f"plan skip {planned}",
            "queues pause reports",
            "queues purge reports",
        )
    }
    after = sorted((key, admin.dump(key)) for key in admin.scan_iter(f"{whole.scripts.keys.prefix}*"))

    assert {words: result.output for words, result in seen.items() if result.exit_code != 0} == {}
    assert {words: result.exit_code for words, result in refused.items() if result.exit_code != 69} == {}
    error = json.loads(refused["queues pause reports"].stderr.splitlines()[-1])["error"]
    assert (error["code"], "doctor --acl" in error["hint"]) == ("store_forbidden", True)
    assert after == before
    whole.executions.cancel(waiting, reason="")


def test_doctor_prints_rules_that_a_server_takes(server: ServerForTests, admin: Any, hub_name: str) -> None:
    environ = {"HELPERHUB_HUB": hub_name, "HELPERHUB_REDIS_URL": server.url}

    printed = CliRunner().invoke(
        command, ["doctor", "--acl", "--queues", "reports"], env=environ, prog_name="helperhub"
    )

    lines = printed.stdout.splitlines()
    assert [admin.execute_command(*line.split()) for line in lines] == [b"OK"] * len(Role)
    made = admin.acl_getuser(f"helperhub-{hub_name}-worker")
    assert "on" in made["flags"]
    assert dataclasses.asdict(build_rules(Role.WORKER, hub_name))["user"] == f"helperhub-{hub_name}-worker"


def test_backups_user_writes_and_restores_a_backup_and_nothing_is_refused(
    url_of: UrlOf, open_hub: Callable[[str], Hub], admin: Any, tmp_path: Path
) -> None:
    keeper = open_hub(url_of(Role.BACKUP))
    open_hub(url_of(Role.SCHEDULER)).register()
    keeper.enqueue("pay", id="one", unique_key="k")

    keeper.backups.write(tmp_path / "a")
    done = keeper.backups.restore(tmp_path / "a", replace=True)

    assert done.backup.totals.open == 1
    assert keeper.executions.show("one").status is Status.QUEUED
    assert refusals(admin) == []
