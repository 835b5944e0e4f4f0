"""``helperhub status``: the hub at one look."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import dramatiq
from click.testing import Result

from helperhub import Hub
from helperhub.testing.running import scheduling

Call = Callable[..., Result]
Answer = Callable[..., Any]


def wait_until(look: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not look():
        pause.wait(0.02)


def test_status_says_what_is_missing_and_exits_with_3(hub: Hub, call: Call) -> None:
    hub.enqueue("tidy")

    found = call("status", "--json")
    shown = call("status")

    document = json.loads(found.stdout)
    assert (found.exit_code, shown.exit_code) == (3, 3)
    assert document["status"] == "degraded"
    assert [line.split(":")[0] for line in document["problems"]] == [
        "No scheduler is at work",
        "No worker process is at work",
    ]
    assert (document["queues"]["waiting"], document["queues"]["totals"]["enqueued"]) == (1, 1)
    assert document["helpers"]["known"] == 4
    assert document["redis"][0]["engine"] in ("valkey", "redis")
    assert "No worker process is at work" in shown.stdout + shown.stderr


def test_status_is_well_where_all_is_at_work(hub: Hub, call: Call, worker: dramatiq.Worker) -> None:
    del worker
    with scheduling(hub):
        wait_until(lambda: bool(hub.catalogue.schedulers()))
        found = call("status", "--json")

    assert json.loads(found.stdout)["problems"] == []
    assert found.exit_code == 0


def test_paused_worker_processes_are_a_problem(hub: Hub, call: Call, worker: dramatiq.Worker) -> None:
    del worker
    (listed,) = hub.workers.all()
    hub.workers.pause(listed["id"])

    document = json.loads(call("status", "--json").stdout)

    assert document["workers"] == {"processes": 1, "threads": 2, "busy": 0, "idle": 0, "suspended": 1}
    assert "All worker processes are paused: nothing that is enqueued will run." in document["problems"]
