"""Alerts with a Redis user for each role: schedulers write them, the web changes them, and nothing is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import redis

from helperhub import Hub
from helperhub.services.acl import Role, build_rules
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub


@pytest.fixture
def admin() -> Iterator[tuple[redis.Redis, str]]:
    """One who may do everything on a server of the test's own, and its URL."""
    with ServerForTests() as server, redis.Redis.from_url(server.url) as client:
        yield client, server.url


@pytest.fixture
def open_hub(admin: tuple[redis.Redis, str], hub_name: str) -> Iterator[Callable[[Role], Hub]]:
    """Opens the hub with the user of a role."""
    client, url = admin
    with ExitStack() as stack:

        def open_hub(role: Role) -> Hub:
            user = build_rules(role, hub_name, password="secret")
            client.execute_command(*user.command.split())
            own = url.replace("unix://", f"unix://{user.user}:secret@")
            hub = build_hub((), url=own, settings={"HELPERHUB_HUB": hub_name})
            stack.callback(hub.close)
            return hub

        yield open_hub


def test_alerts_are_written_changed_and_taken_on_by_the_users_that_do_so(
    open_hub: Callable[[Role], Hub], admin: tuple[redis.Redis, str]
) -> None:
    planner, worker, web = (open_hub(role) for role in (Role.SCHEDULER, Role.WORKER, Role.WEB))
    planner.scripts.join("machine:17:abcd", lease_ms=1, about={"queues": "default"})
    deadline = time.monotonic() + 10
    # A keeper has a worker's user, and notes who died.
    while not worker.scripts.reap():
        assert time.monotonic() < deadline
        time.sleep(0.02)

    planner.build_alert_watch().turn()
    (alert,) = web.alerts.all()
    web.alerts.acknowledge(alert["id"])
    web.alerts.set("worker_lost", 5)
    web.alerts.reset("worker_lost")
    web.alerts.test()
    planner.build_alert_watch().turn()
    planner.catalogue.note_stopped(planner.worker_id, now_ms=1)

    assert web.alerts.store.notices() == {}
    refused = [f"{entry['username']}: {entry['context']} {entry['object']}" for entry in admin[0].acl_log()]
    assert [entry for entry in refused if not entry.endswith("config|get")] == []
