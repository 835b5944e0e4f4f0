"""Redis restarts: workers and schedulers go on by themselves, with its data or without."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from helperhub import Every, Hub, helper
from helperhub.model.execution import Status
from helperhub.testing import ServerForTests, find_strays
from helperhub.testing.running import build_hub, scheduling, working

WaitUntil = Callable[..., None]


@helper
def job(ctx: object) -> str:
    return "done"


@helper(schedule=Every(timedelta(seconds=1)), overlap="allow")
def tick(ctx: object) -> None: ...


@pytest.fixture(params=["with its data", "with nothing"])
def kept(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "with its data")


@pytest.fixture
def server(kept: bool) -> Iterator[ServerForTests]:
    with ServerForTests(aof=kept) as server:
        yield server


@pytest.fixture
def hub(server: ServerForTests) -> Iterator[Hub]:
    found = build_hub([job, tick], url=server.url, settings={})
    found.register()
    yield found
    found.broker.stop_worker()
    strays = find_strays(found.scripts.client, found.scripts.keys)
    found.close()
    assert strays == []


def ticks(hub: Hub) -> list[str]:
    return [found.id for found in hub.records.finished() if found.helper == "tick" and found.status is Status.SUCCESS]


def test_worker_and_scheduler_go_on_after_a_restart(
    hub: Hub, server: ServerForTests, wait_until: WaitUntil, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), working(hub), scheduling(hub):
        wait_until(lambda: ticks(hub))
        before = set(ticks(hub))
        server.kill()
        server.start()

        wait_until(lambda: set(ticks(hub)) - before, seconds=20)
        execution = hub.wait(hub.enqueue("job", wait=timedelta(seconds=10)), timeout=timedelta(seconds=10))
        workers = hub.workers.all()

    assert execution.status is Status.SUCCESS
    assert [worker["id"] for worker in workers] == [hub.worker_id]
    told = [record.message for record in caplog.records]
    assert ("catalogue_lost" in told) is not kept
