"""With HELPERHUB_DURABLE what was accepted survives the server's sudden end, and replicas can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis

from helperhub import Hub, helper
from helperhub.errors import StoreUnavailable
from helperhub.store.assurance import Assurance
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub, working

WaitUntil = Callable[..., None]


@helper
def job(ctx: object) -> str:
    return "done"


@pytest.fixture
def hub(server: ServerForTests) -> Iterator[Hub]:
    found = build_hub([job], url=server.url, settings={"HELPERHUB_DURABLE": "true"})
    found.register()
    yield found
    found.close()


def test_everything_accepted_is_there_after_the_server_was_killed(hub: Hub, server: ServerForTests) -> None:
    accepted: list[str] = []
    lock = threading.Lock()

    def send() -> None:
        while True:
            try:
                id_ = hub.enqueue("job")
            except StoreUnavailable:
                return
            with lock:
                accepted.append(id_)

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    for _ in range(2):
        with lock:
            before = len(accepted)
        while len(accepted) < before + 16:
            pass
    server.kill()
    for sender in senders:
        sender.join()
    server.start()

    assert len(accepted) >= 32
    assert [id_ for id_ in accepted if hub.records.get(id_) is None] == []


def test_many_in_one_call_wait_once(hub: Hub, operator: redis.Redis) -> None:
    hub.enqueue("job")
    before = operator.info("commandstats")["cmdstat_waitaof"]["calls"]

    ids = hub.enqueue_many([("job", None)] * 300)

    assert len(set(ids)) == 300
    assert operator.info("commandstats")["cmdstat_waitaof"]["calls"] == before + 1


def test_disk_that_doesnt_answer_in_time_is_told_and_a_waiting_call_goes_in_once(
    hub: Hub, operator: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helperhub.store.assurance.WAIT_MS", 100)
    operator.config_set("appendfsync", "no")

    with pytest.raises(StoreUnavailable, match="isn't synced") as caught:
        hub.enqueue("job")

    assert "may be in" in caught.value.hint
    timer = threading.Timer(0.5, lambda: operator.config_set("appendfsync", "always"))
    timer.start()
    hub.enqueue("job", wait=timedelta(seconds=20))
    timer.join()
    assert hub.queues.all()[0].totals["enqueued"] == 2


def test_durable_hub_works_when_scripts_are_flushed(hub: Hub, operator: redis.Redis) -> None:
    operator.script_flush()

    with working(hub):
        assert hub.wait(hub.enqueue("job"), timeout=timedelta(seconds=10)).result == "done"


def test_replica_that_is_missing_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helperhub.store.assurance.WAIT_MS", 100)
    lonely = build_hub([job], url=hub.url, settings={"HELPERHUB_REPLICAS": "1"})
    lonely.register()

    with pytest.raises(StoreUnavailable, match="0 of 1 replicas have it"):
        lonely.enqueue("job")

    lonely.close()


def test_assurance_says_what_is_missing() -> None:
    assert "append-only file" in Assurance(disk=True, replicas=0)._unsafe(0, 0)
    assert "1 of 2 replicas" in Assurance(disk=True, replicas=2)._unsafe(1, 1)
