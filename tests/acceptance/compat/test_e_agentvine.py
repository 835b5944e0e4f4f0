"""System E, AgentVine: scoped keys on everything that manages, its queue and worker figures, work with metadata."""

from __future__ import annotations

import pytest
from tests.acceptance.compat.conftest import ask, like, wait_for
from tests.integration.api.conftest import SOON, Api

from helperhub.model.access import Scope

WORK_ORDER = {
    "id": "wo-17",
    "task_type": "bugfix",
    "permission_level": "autonomous",
    "repository_url": "https://example.org/shop.git",
    "branch_name": "fix-17",
    "title": "Mend the basket",
    "requirements": ["the sum is right"],
    "timeout_seconds": 600,
}
#: Method, path, and the least scope that it needs.
MANAGED = [
    ("GET", "/helpers/", Scope.READ),
    ("GET", "/helpers/report", Scope.READ),
    ("GET", "/helpers/status/system", Scope.READ),
    ("GET", "/helpers/executions/queue", Scope.READ),
    ("GET", "/queue/info", Scope.READ),
    ("GET", "/api/queue/stats", Scope.READ),
    ("GET", "/api/queue/active-tasks", Scope.READ),
    ("POST", "/helpers/report/run", Scope.RUN),
    ("POST", "/api/helpers/report/run", Scope.RUN),
    ("POST", "/helpers/report/enable", Scope.MANAGE),
    ("POST", "/helpers/report/disable", Scope.MANAGE),
    ("PUT", "/helpers/report", Scope.MANAGE),
]


@pytest.mark.parametrize(("method", "path", "needed"), MANAGED, ids=[f"{one[0]} {one[1]}" for one in MANAGED])
def test_endpoint_needs_a_key_of_its_scope(api: Api, method: str, path: str, needed: Scope) -> None:
    body = {"priority": 2} if method == "PUT" else {} if method == "POST" else None
    too_little = Scope.RUN if needed is Scope.READ else Scope.READ

    assert api.showing().request(method, path, json=body).status_code == 401
    assert api.asking(too_little).request(method, path, json=body).status_code == 403
    assert api.asking(needed).request(method, path, json=body).status_code in (200, 202)


def test_work_order_comes_back_as_it_was_sent(api: Api) -> None:
    asked = {"id": "wo-17", "payload": WORK_ORDER, "priority": 1, "metadata": {"app": "agentvine", "user": "ada"}}

    first = ask(api.client, "POST", "/helpers/report/run", body=asked, status=202)
    again = ask(api.client, "POST", "/helpers/report/run", body=asked, status=202)

    assert (first["task_id"], first["existed"]) == ("wo-17", False)
    assert (again["task_id"], again["existed"]) == ("wo-17", True)
    wait_for(lambda: ask(api.client, "GET", "/jobs/wo-17/status")["status"] == "finished")
    assert ask(api.client, "GET", "/jobs/wo-17/status")["result"] == {"got": WORK_ORDER}
    assert ask(api.client, "GET", "/queue/info")["finished"] == 1


def test_statistics_are_there_per_queue_and_per_worker(api: Api) -> None:
    api.hub.wait(api.hub.enqueue("report"), timeout=SOON)

    queues = ask(api.client, "GET", "/api/v1/queues")["queues"]
    workers = ask(api.client, "GET", "/api/v1/workers")["workers"]
    system = ask(api.client, "GET", "/api/v1/system")

    default = next(queue for queue in queues if queue["name"] == "default")
    assert (default["ready"], default["running"], default["totals"]["success"]) == (0, 0, 1)
    assert [worker["status"] for worker in workers] == ["idle"]
    like(
        system["workers"],
        {"processes": 1, "threads": 4, "busy": 0, "idle": 1, "suspended": 0},
    )


def test_change_is_in_the_audit_under_the_key_that_made_it(api: Api) -> None:
    manager = api.asking(Scope.MANAGE)
    ask(manager, "POST", "/helpers/tidy/disable", body={"reason": "maintenance"})

    entries = ask(api.client, "GET", "/api/v1/audit?target=tidy")["entries"]

    assert [(one["action"], one["reason"]) for one in entries] == [("helper.disable", "maintenance")]
    assert entries[0]["who"].startswith("key:")
