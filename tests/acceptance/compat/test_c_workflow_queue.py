"""System C, the async workflow queue: figures, what runs, and starting a helper by API."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.acceptance.compat.conftest import TIME, ask, like, wait_for
from tests.integration.api.conftest import SOON, Api

from helperhub.model.access import Scope
from helperhub.model.execution import Status

STARTED = {"id", "existed", "status", "message", "application", "task_id"}


@pytest.mark.parametrize("path", ["/helpers/report/run", "/api/helpers/report/run", "/api/v1/helpers/report/run"])
def test_started_helper_is_answered_in_both_vocabularies(api: Api, path: str) -> None:
    body = ask(api.client, "POST", path, body={"payload": {"city": "Berlin"}}, status=202)

    assert set(body) == STARTED
    assert (body["status"], body["application"], body["existed"]) == ("enqueued", "report", False)
    assert body["message"] == "Helper 'report' enqueued"
    assert body["task_id"] == body["id"]
    assert api.hub.wait(body["task_id"], timeout=SOON).result == {"got": {"city": "Berlin"}}


def test_helper_is_started_without_a_body(api: Api) -> None:
    body = ask(api.client, "POST", "/api/helpers/tidy/run", status=202)

    assert api.hub.wait(body["task_id"], timeout=SOON).result == 7


def test_queue_stats_have_their_eight_figures(api: Api) -> None:
    for name in ("report", "broken"):
        api.hub.wait(api.hub.enqueue(name), timeout=SOON)
    api.hub.enqueue("report", delay=SOON)

    body = ask(api.client, "GET", "/api/queue/stats")

    like(
        body,
        {
            "queue_size": 1,
            "active_tasks": 0,
            "workers": 1,
            "tasks_enqueued": 3,
            "tasks_completed": 1,
            "tasks_failed": 1,
            "avg_queue_time_ms": float,
            "avg_execution_time_ms": float,
        },
    )
    assert body["avg_queue_time_ms"] >= 0


def test_active_tasks_are_those_in_hand(api: Api, let_go: Callable[[], None]) -> None:
    first = api.hub.enqueue("hold", metadata={"app": "shop"})
    second = api.hub.enqueue("hold")
    wait_for(lambda: all(api.hub.executions.get(one).status is Status.RUNNING for one in (first, second)))

    body = ask(api.client, "GET", "/api/queue/active-tasks")
    stats = ask(api.client, "GET", "/api/queue/stats")
    let_go()

    like(body, {"count": 2, "tasks": list})
    by_id = {task["id"]: task for task in body["tasks"]}
    like(by_id[first], {"id": first, "app_name": "shop", "workflow_name": "hold", "enqueued_at": TIME})
    like(by_id[second], {"id": second, "app_name": "hold", "workflow_name": "hold", "enqueued_at": TIME})
    assert stats["active_tasks"] == 2
    assert api.hub.wait(first, timeout=SOON).status is Status.SUCCESS
    assert api.hub.wait(second, timeout=SOON).status is Status.SUCCESS
    assert ask(api.client, "GET", "/api/queue/active-tasks") == {"count": 0, "tasks": []}


def test_starting_needs_a_key_that_may(api: Api) -> None:
    assert api.showing().post("/api/helpers/report/run").status_code == 401
    assert api.asking(Scope.READ).post("/api/helpers/report/run").status_code == 403
    assert api.asking(Scope.RUN).post("/helpers/report/run").status_code == 202
