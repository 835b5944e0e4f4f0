"""System B, the ZSET dispatcher: helpers switched and rescheduled at run time, its status, its look-ahead."""

from __future__ import annotations

from typing import Any

import pytest
from tests.acceptance.compat.conftest import TIME, ask, like, wait_for
from tests.integration.api.conftest import SOON, Api

from helperhub.errors import InvalidHelper
from helperhub.model.access import Scope
from helperhub.model.helper import RESERVED_NAMES, HelperSpec

HELPER_KEYS = {
    *("name", "helper", "instance", "enabled", "queue", "priority", "schedule", "schedules", "next_due_at"),
    *("expires_after", "max_attempts", "time_limit", "overlap", "limits", "paused", "pause_reason", "payload"),
    *("description", "plugin", "plugin_version", "override", "callback"),
}


@pytest.mark.parametrize("path", ["/helpers/", "/helpers"])
def test_helpers_are_listed_with_and_without_the_slash(api: Api, path: str) -> None:
    body = ask(api.client, "GET", path)

    like(body, {"helpers": list, "next_cursor": None})
    assert [one["name"] for one in body["helpers"]] == ["broken", "hold", "report", "tidy"]
    assert set(body["helpers"][0]) == HELPER_KEYS


def test_helper_is_shown_by_its_name(api: Api) -> None:
    body = ask(api.client, "GET", "/helpers/report")

    assert set(body) == HELPER_KEYS | {"payload_schema"}
    assert (body["name"], body["priority"], body["expires_after"], body["enabled"]) == ("report", 1, "1h", True)
    assert api.client.get("/helpers/wether").status_code == 404


def test_disable_empties_the_look_ahead_and_enable_says_how_many_it_planned(api: Api) -> None:
    off = ask(api.client, "POST", "/helpers/tidy/disable")
    on = ask(api.client, "POST", "/helpers/tidy/enable")

    like(off, {"helper": "tidy", "enabled": False, "planned": 0, "removed": 4})
    like(on, {"helper": "tidy", "enabled": True, "planned": 4, "removed": 0})
    assert len(api.hub.plan.upcoming(helper="tidy")) == 4


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"type": "daily", "time": "06:15:00", "priority": 2, "expiry": 1800, "enabled": True}, "daily at 06:15"),
        ({"type": "interval", "interval_minutes": 20, "priority": 3, "expiry": 600, "enabled": True}, "every 20m"),
        ({"type": "cron", "cron": "0 9 * * 1-5", "priority": 5, "expiry": 3600, "enabled": True}, "0 9 * * 1-5"),
    ],
)
def test_schedule_is_replaced_by_its_dict(api: Api, schedule: dict[str, Any], words: str) -> None:
    body = ask(api.client, "PUT", "/helpers/report", body={"schedule": schedule})

    like(body, {"helper": "report", "enabled": True, "planned": int, "removed": int})
    shown = ask(api.client, "GET", "/helpers/report")
    assert words in shown["schedule"]
    assert shown["priority"] == schedule["priority"]
    assert shown["expires_after"] == f"{schedule['expiry'] // 60}m" or schedule["expiry"] == 3600


def test_update_that_disables_takes_it_out_of_the_plan(api: Api) -> None:
    schedule = {"type": "interval", "interval_minutes": 20, "enabled": False}

    body = ask(api.client, "PUT", "/helpers/tidy", body={"schedule": schedule})

    assert (body["enabled"], body["planned"]) == (False, 0)
    assert api.hub.plan.upcoming(helper="tidy") == []


def test_system_status_has_the_dispatchers_fields(api: Api) -> None:
    wait_for(lambda: bool(api.hub.catalogue.schedulers()))

    body = ask(api.client, "GET", "/helpers/status/system")

    like(
        body,
        {
            "system_status": "operational",
            "available_helpers": 4,
            "total_queued_executions": 8,
            "dispatcher": {"registered_helpers": 4, "running_executions": 0, "dispatcher_running": True},
            "timestamp": TIME,
        },
    )


def test_execution_queue_is_in_order_of_time_then_priority(api: Api) -> None:
    waiting = api.hub.enqueue("report", delay=SOON)

    body = ask(api.client, "GET", "/helpers/executions/queue?limit=5")

    like(body, {"count": 5, "executions": list})
    first, *planned = body["executions"]
    assert (first["id"], first["status"]) == (waiting, "queued")
    assert {one["status"] for one in planned} == {"planned"}
    places = [(one["due_at"], one["priority"]) for one in planned]
    assert places == sorted(places)
    assert [one["helper"] for one in planned] == ["report", "tidy", "report", "tidy"]


def test_narrowed_key_sees_its_own_part_of_the_queue(api: Api) -> None:
    narrowed = api.asking(Scope.READ, helpers=["report"])

    body = ask(narrowed, "GET", "/helpers/executions/queue")

    assert [one["helper"] for one in body["executions"]] == ["report"] * 4
    assert narrowed.get("/helpers/status/system").status_code == 403
    assert narrowed.get("/helpers/tidy").status_code == 404


@pytest.mark.parametrize("name", ["status", "executions"])
def test_words_of_these_paths_are_no_names_for_helpers(name: str) -> None:
    assert name in RESERVED_NAMES
    with pytest.raises(InvalidHelper, match=f"'{name}' is reserved"):
        HelperSpec(name)
