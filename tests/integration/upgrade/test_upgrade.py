"""A hub as schema 1 left it: this release runs what waits, hands out what ran, replays and shows the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.upgrade.write_hub import FOR_EVER, HELPERS, HUB, declare_total, write_keys

from helperhub import Hub
from helperhub.model.execution import Execution, Status
from helperhub.services.executions import ExecutionFilter
from helperhub.store.record import FORMAT, unpack_record
from helperhub.testing import ServerForTests, find_strays
from helperhub.testing.running import build_hub, scheduling, working

WRITTEN = json.loads((Path(__file__).parent / "hub_of_schema_1.json").read_text())
IDS: dict[str, str] = WRITTEN["ids"]
SOON = timedelta(seconds=15)
#: What fails in any release, and what may start an hour late at most: it was due in November 2026.
FAILING, LATE = ("retry", "replayed"), ("active", "parked", "moved")
WAITING = ("queued", "urgent", "delayed", "replayed", "suspect", "active", "parked", "running", "pipeline")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with ServerForTests() as server:
        found = build_hub(HELPERS, url=server.url, settings={"HELPERHUB_HUB": HUB, **FOR_EVER})
        declare_total(found)
        write_keys(found.scripts.client, WRITTEN["commands"])
        yield found
        found.broker.stop_worker()
        strays = find_strays(found.scripts.client, found.scripts.keys)
        found.close()
    assert strays == []


def shown(hub: Hub, name: str) -> Execution:
    return hub.executions.get(IDS[name])


def formats(hub: Hub) -> dict[bytes, int]:
    """Return how many records there are of each format."""
    client = hub.scripts.client
    first = [client.getrange(key, 0, 0) for key in client.scan_iter(match=hub.scripts.keys.record("*"))]
    return {format_: first.count(format_) for format_ in set(first)}


def test_what_the_release_before_wrote_is_all_of_its_format(hub: Hub) -> None:
    assert formats(hub) == {b"\x01": 17}
    hub.check_server(warn=False)
    hub.scripts.reap()  # else its worker process is a stray


def test_history_and_dead_letters_are_shown_as_they_were(hub: Hub) -> None:
    success = shown(hub, "success")
    assert (success.status, success.result, success.payload) == (
        Status.SUCCESS, {"n": 1, "word": "süß"}, {"n": 1, "word": "süß"},
    )  # fmt: skip
    assert success.metadata == {"app": "shop"}
    assert success.started_at is not None
    retry = shown(hub, "retry")
    assert (retry.status, retry.attempt, retry.max_attempts) == (Status.QUEUED, 2, 2)
    assert (retry.errors[0].type, retry.errors[0].message) == ("RuntimeError", "attempt 1 of later")
    assert [shown(hub, name).status.value for name in ("expired", "cancelled", "skipped", "dead", "running")] == [
        "expired", "cancelled", "skipped", "error", "running",
    ]  # fmt: skip
    assert shown(hub, "skipped").reason == "not today"
    assert shown(hub, "replayed").replay_of == IDS["dead too"]
    ended = {
        execution.id
        for execution in hub.executions.find(ExecutionFilter(statuses=frozenset({Status.SUCCESS})), limit=9)
    }
    assert ended == {IDS["success"], IDS["keyed"]}
    assert [letter.id for letter in hub.dead_letters.find(limit=9)] == [IDS["dead"]]
    (queue,) = hub.queues.all()
    assert (queue.ready + queue.delayed + queue.parked, queue.running, queue.paused) == (9, 1, True)
    assert hub.helpers.row("report").spec.priority == 4
    hub.scripts.reap()


def test_workers_and_schedulers_go_on_with_it(hub: Hub) -> None:
    hub.check_server(warn=False)
    hub.register()
    hub.queues.resume("default")
    planned = [row.helper + row.slot for row in hub.catalogue.plan_of(["tidy", "report"])]

    with scheduling(hub), working(hub):
        ends = {name: hub.wait(IDS[name], timeout=SOON) for name in (*WAITING, "retry", "moved")}
        assert all(hub.wait(id_, timeout=SOON).status.final for id_ in planned)

    others = {name: end.status.value for name, end in ends.items() if name not in FAILING + LATE}
    assert others == dict.fromkeys(others, "success")
    assert [ends[name].status.value for name in LATE] == ["expired"] * 3
    # What ran when its machine was left is a second delivery, alone for safety.
    assert [ends[name].status.value for name in FAILING] == ["error"] * 2
    assert [error.message for error in ends["retry"].errors] == ["attempt 1 of later", "attempt 2 of later"]
    assert ends["running"].delivery == ends["suspect"].delivery == 2
    assert "old-machine" not in {worker["host"] for worker in hub.workers.all()}
    follower = hub.executions.find(ExecutionFilter(helper="total", statuses=frozenset({Status.SUCCESS})), limit=9)
    assert sorted(execution.result for execution in follower) == [2, 3]


def test_dead_letter_is_replayed_once(hub: Hub) -> None:
    hub.queues.resume("default")

    ((_, new),) = hub.dead_letters.replay([IDS["dead"]])

    assert hub.dead_letters.replay([IDS["dead"]]) == [(IDS["dead"], new)]
    assert hub.dead_letters.find(limit=9) == []
    assert (hub.executions.get(new).payload, hub.executions.get(new).replay_of) == ("no number", IDS["dead"])
    hub.scripts.reap()


def test_enqueueing_what_is_there_finds_it(hub: Hub) -> None:
    found = hub.enqueue("echo", "keyed", id="order-7")

    assert (found, found.existed) == ("order-7", True)
    assert shown(hub, "keyed").status is Status.SUCCESS
    hub.scripts.reap()


def test_records_are_written_anew_as_they_are_touched_and_count_for_what_they_take(hub: Hub) -> None:
    client, keys = hub.scripts.client, hub.scripts.keys
    before = {key: unpack_record(client.get(key)) for key in client.scan_iter(match=keys.record("*"))}

    hub.executions.scripts.cancel([IDS[name] for name in IDS if name != "moved"], reason="by hand")
    hub.scripts.reap()

    assert formats(hub) == {FORMAT: 17}
    after = {key: unpack_record(client.get(key)) for key in before}
    untouched = [key for key, record in before.items() if record.finished_ms]
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}
    finished = [key for key, record in after.items() if record.finished_ms]
    assert int(client.hget(keys.at("history"), "bytes")) == sum(client.strlen(key) for key in finished)
