"""Helpers over HTTP."""

from __future__ import annotations

import pytest
from tests.integration.api.conftest import SOON, Api, Serve

from helperhub.model.access import Scope
from helperhub.model.execution import Status, Trigger
from helperhub.services.audit import AuditFilter


def test_helpers_are_listed_page_by_page(api: Api) -> None:
    first = api.client.get("/api/v1/helpers", params={"limit": 1}).json()
    second = api.client.get("/api/v1/helpers", params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [helper["name"] for helper in first["helpers"] + second["helpers"]] == ["broken", "echo"]
    assert second["next_cursor"] is None


def test_helper_is_shown_as_on_the_command_line(api: Api) -> None:
    shown = api.client.get("/api/v1/helpers/echo").json()

    assert shown == api.hub.helpers.show("echo")
    assert shown["schedules"] == {"": {"type": "daily", "time": "07:30", "tz": "UTC"}}


def test_unknown_helper_is_a_problem_with_a_guess(api: Api) -> None:
    answer = api.client.get("/api/v1/helpers/ecko")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert "Did you mean 'echo'?" in answer.json()["hint"]


def test_disable_and_enable_say_how_many_due_times(api: Api) -> None:
    api.client.put("/api/v1/helpers/echo", json={"schedule": "every 30m"})

    disabled = api.client.post("/api/v1/helpers/echo/disable", json={"reason": "maintenance"}).json()
    enabled = api.client.post("/api/v1/helpers/echo/enable").json()

    assert disabled == {"helper": "echo", "enabled": False, "planned": 0, "removed": 4}
    assert enabled == {"helper": "echo", "enabled": True, "planned": 4, "removed": 0}


def test_update_takes_the_dict_with_priority_and_expiry(api: Api) -> None:
    wanted = {"type": "cron", "cron": "0 9 * * 1-5", "priority": 1, "expiry": 3600, "enabled": True}

    answer = api.client.put("/api/v1/helpers/echo", json={"schedule": wanted})

    assert answer.status_code == 200
    shown = api.client.get("/api/v1/helpers/echo").json()
    assert (shown["priority"], shown["expires_after"]) == (1, "1h")
    assert shown["schedules"] == {"": {"type": "cron", "cron": "0 9 * * 1-5"}}


def test_dry_run_shows_due_times_before_and_after_and_changes_nothing(api: Api) -> None:
    before = api.client.get("/api/v1/helpers/echo").json()

    preview = api.client.put(
        "/api/v1/helpers/echo", params={"dry_run": "true"}, json={"schedule": "daily 09:15"}
    ).json()

    assert all(at.endswith("T07:30:00Z") for at in preview["before"])
    assert all(at.endswith("T09:15:00Z") for at in preview["after"])
    assert len(preview["after"]) == 10
    assert api.client.get("/api/v1/helpers/echo").json() == before


def test_update_of_what_somebody_else_changed_is_refused(api: Api) -> None:
    tag = api.client.get("/api/v1/helpers/echo").headers["etag"]
    first = api.client.put("/api/v1/helpers/echo", json={"priority": 4}, headers={"If-Match": tag})
    second = api.client.put("/api/v1/helpers/echo", json={"priority": 5}, headers={"If-Match": tag})

    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["code"] == "outdated"
    assert api.hub.helpers.show("echo")["priority"] == 4


def test_run_starts_an_execution_that_a_worker_ends(serve: Serve) -> None:
    api = serve(worker=True)

    answer = api.client.post("/api/v1/helpers/echo/run", json={"payload": {"a": 1}, "metadata": {"user": "ada"}})

    assert answer.status_code == 202
    started = answer.json()
    assert (started["status"], started["task_id"]) == ("enqueued", started["id"])
    ended = api.hub.wait(started["id"], timeout=SOON)
    assert (ended.status, ended.result, ended.trigger) == (Status.SUCCESS, {"a": 1}, Trigger.MANUAL)
    assert ended.metadata == {"user": "ada"}


def test_run_with_an_idempotency_key_starts_one_execution(api: Api) -> None:
    head = {"Idempotency-Key": "order-17"}

    first = api.client.post("/api/v1/helpers/echo/run", headers=head).json()
    second = api.client.post("/api/v1/helpers/echo/run", headers=head).json()
    other = api.asking(Scope.RUN).post("/api/v1/helpers/echo/run", headers=head).json()

    assert first == second
    assert other["id"] != first["id"]


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
def test_every_path_of_a_run_takes_idempotency_keys_alike(prefix: str, api: Api) -> None:
    path, head = f"{prefix}/helpers/echo/run", {"Idempotency-Key": "order-17"}

    first, second = (api.client.post(path, headers=head) for _ in range(2))
    empty = api.client.post(path, headers={"Idempotency-Key": ""})

    assert (first.json(), first.status_code) == (second.json(), 202)
    assert second.headers["idempotent-replayed"] == "true"
    assert empty.status_code == 400
    assert "1 to 255 printable" in empty.json()["detail"]


def test_key_narrowed_to_a_helper_sees_no_other(api: Api) -> None:
    narrowed = api.asking(Scope.MANAGE, helpers=["echo"])

    listed = narrowed.get("/api/v1/helpers").json()["helpers"]
    hidden = narrowed.post("/api/v1/helpers/broken/run")

    assert [helper["name"] for helper in listed] == ["echo"]
    assert hidden.status_code == 404
    assert narrowed.post("/api/v1/helpers/echo/run").status_code == 202


def test_changes_are_in_the_audit_under_the_keys_name(api: Api) -> None:
    api.client.post("/api/v1/helpers/echo/disable", json={"reason": "maintenance"})

    entry, made = api.hub.audit.find(AuditFilter(), limit=2)
    assert (entry["action"], entry["target"], entry["reason"]) == ("helper.disable", "echo", "maintenance")
    assert entry["who"] == f"key:{made['target']}"
    assert (entry["before"], entry["after"]["enabled"]) == (None, False)
