"""System A, AutomateOS: a job's status and the queue's counts, as its callers ask RQ for them."""

from __future__ import annotations

from tests.acceptance.compat.conftest import TIME, ask, like
from tests.integration.api.conftest import SOON, Api

from helperhub.model.access import Scope


def test_job_that_succeeded_is_finished_with_its_result(api: Api) -> None:
    job_id = api.hub.enqueue("report", {"city": "Berlin"})
    api.hub.wait(job_id, timeout=SOON)

    body = ask(api.client, "GET", f"/jobs/{job_id}/status")

    like(
        body,
        {
            "job_id": job_id,
            "workflow_id": "report",
            "status": "finished",
            "state": "success",
            "enqueued_at": TIME,
            "started_at": TIME,
            "finished_at": TIME,
            "result": {"got": dict},
            "error": None,
        },
    )
    assert body["result"] == {"got": {"city": "Berlin"}}
    assert body["enqueued_at"] <= body["started_at"] <= body["finished_at"]


def test_job_that_failed_says_why_in_one_line(api: Api) -> None:
    job_id = api.hub.enqueue("broken")
    api.hub.wait(job_id, timeout=SOON)

    body = ask(api.client, "GET", f"/jobs/{job_id}/status")

    assert (body["status"], body["state"]) == ("failed", "error")
    assert body["error"] == "RuntimeError: it is broken"
    assert body["result"] is None


def test_job_that_is_planned_or_unknown_is_told_so(api: Api) -> None:
    (planned, *_) = api.hub.plan.upcoming(helper="tidy", limit=1)

    known = ask(api.client, "GET", f"/jobs/{planned.id}/status")
    unknown = api.client.get("/jobs/nobody-knows/status")

    assert (known["status"], known["enqueued_at"]) == ("scheduled", None)
    assert unknown.status_code == 404
    assert "nobody-knows" in unknown.json()["detail"]


def test_queue_info_counts_by_status(api: Api) -> None:
    for name in ("report", "report", "broken"):
        api.hub.wait(api.hub.enqueue(name), timeout=SOON)
    api.hub.enqueue("report", delay=SOON)

    body = ask(api.client, "GET", "/queue/info")

    like(body, {"queued": 1, "running": 0, "failed": 1, "finished": 2})


def test_job_of_another_helper_is_hidden_from_a_narrowed_key(api: Api) -> None:
    job_id = api.hub.enqueue("report")
    narrowed = api.asking(Scope.READ, helpers=["tidy"])

    assert narrowed.get(f"/jobs/{job_id}/status").status_code == 404
    assert narrowed.get("/queue/info").status_code == 403
    assert api.showing().get(f"/jobs/{job_id}/status").status_code == 401
