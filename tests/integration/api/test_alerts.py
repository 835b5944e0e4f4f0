"""Alerts over HTTP: listed a page at a time, taken on, thresholds changed; narrowed keys see their own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.api.conftest import Api

from helperhub.model.access import Scope
from helperhub.model.alert import RULES, Alert, AlertRule
from helperhub.model.identity import new_execution_id


def fire(api: Api, *subjects: str, rule: AlertRule = AlertRule.DEAD_LETTERS, **more: Any) -> list[str]:
    """Let alerts fire, as a scheduler writes them; return their ids."""
    alerts = [Alert(new_execution_id(), rule, subject, 1, 0, f"about {subject}", 1000, **more) for subject in subjects]
    store = api.hub.alerts.store
    assert store.write(store.read().version, changed=alerts)
    return [alert.id for alert in alerts]


def test_alerts_come_page_by_page_newest_first_and_resolved_ones_when_asked(api: Api) -> None:
    ids = sorted(fire(api, *(f"helper:h{number}" for number in range(5))), reverse=True)
    (over,) = fire(api, "queue:low", resolved_ms=2000)

    first = api.client.get("/api/v1/alerts", params={"limit": 3}).json()
    second = api.client.get("/api/v1/alerts", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    everything = api.client.get("/api/v1/alerts", params={"resolved": True}).json()

    assert [one["id"] for one in first["alerts"] + second["alerts"]] == ids
    assert second["next_cursor"] is None
    assert {one["id"] for one in everything["alerts"]} == {*ids, over}


def test_alert_is_taken_on_once_and_its_name_and_note_stay(api: Api) -> None:
    (id_,) = fire(api, "hub", rule=AlertRule.NO_WORKER)

    first = api.client.post(f"/api/v1/alerts/{id_}/acknowledge", json={"note": "on it"})
    second = api.asking(Scope.MANAGE).post(f"/api/v1/alerts/{id_}/acknowledge", json={"note": "me too"})

    assert (first.status_code, first.json()["state"], first.json()["acknowledged_by"]) == (200, "acknowledged", "all")
    assert second.json() == first.json()
    (noted,) = api.client.get("/api/v1/audit", params={"action": "alert."}).json()["entries"]
    assert (noted["action"], noted["target"], noted["reason"]) == ("alert.acknowledge", id_, "on it")


def test_resolved_alert_cannot_be_taken_on(api: Api) -> None:
    (id_,) = fire(api, "hub", rule=AlertRule.NO_WORKER, resolved_ms=2000)

    answer = api.client.post(f"/api/v1/alerts/{id_}/acknowledge")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_key_of_a_helper_sees_that_helper_alone(api: Api) -> None:
    own, other = fire(api, "helper:echo", "helper:broken")
    (queue,) = fire(api, "queue:default", rule=AlertRule.DEPTH)
    narrowed = api.asking(Scope.MANAGE, helpers=["echo"])
    of_queue = api.asking(Scope.READ, queues=["default"])

    assert [one["id"] for one in narrowed.get("/api/v1/alerts").json()["alerts"]] == [own]
    assert narrowed.get(f"/api/v1/alerts/{other}").status_code == 404
    assert narrowed.post(f"/api/v1/alerts/{other}/acknowledge").status_code == 404
    assert narrowed.get("/api/v1/alert-rules").status_code == 403
    assert {one["id"] for one in of_queue.get("/api/v1/alerts").json()["alerts"]} == {own, other, queue}


def test_threshold_is_set_for_all_and_for_one_and_taken_back(api: Api) -> None:
    everywhere = api.client.put("/api/v1/alert-rules", json={"rule": "queue_depth", "threshold": 5})
    low = {"rule": "queue_depth", "threshold": None, "subject": "queue:low"}
    own = api.client.put("/api/v1/alert-rules", json=low)
    back = api.client.delete("/api/v1/alert-rules/queue_depth")

    assert (everywhere.json()["threshold"], everywhere.json()["setting"]) == (5, 100)
    assert own.json()["subjects"] == [{"subject": "queue:low", "threshold": None, "shown": "off"}]
    assert back.json()["threshold"] == 100
    rules = api.client.get("/api/v1/alert-rules").json()["rules"]
    assert [one["rule"] for one in rules] == [rule.value for rule in RULES]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"rule": "redis_memory", "threshold": 3}, 400, "0 to 1"),
        ({"rule": "queue_depth", "threshold": 1.5}, 400, "whole number"),
        ({"rule": "no_worker", "threshold": 3, "subject": "helper:echo"}, 400, "It takes: none"),
        ({"rule": "failures", "threshold": 3, "subject": "helper:unknown"}, 404, "unknown"),
        ({"rule": "nothing", "threshold": 3}, 422, "rule"),
        ({"rule": "queue_depth"}, 422, "threshold"),
        ({"rule": "queue_depth", "threshold": "20"}, 422, "threshold"),
    ],
)
def test_threshold_that_cannot_be_is_answered_with_what_can(
    api: Api, body: dict[str, Any], status: int, said: str
) -> None:
    answer = api.client.put("/api/v1/alert-rules", json=body)

    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def test_firing_alerts_are_in_status_and_metrics(api: Api) -> None:
    (id_,) = fire(api, "helper:echo")
    fire(api, "helper:broken", resolved_ms=2000)

    status = api.client.get("/api/v1/system").json()["alerts"]
    metrics = api.client.get("/metrics").text

    assert (status["firing"], [one["id"] for one in status["newest"]]) == (1, [id_])
    assert 'helperhub_alerts_firing{rule="dead_letters"} 1.0' in metrics
    assert 'helperhub_alerts_firing{rule="no_worker"} 0.0' in metrics


def test_way_is_tried_by_a_notification_that_a_scheduler_finds(api: Api) -> None:
    answer = api.client.post("/api/v1/alerts/test")

    assert answer.status_code == 202
    assert list(api.hub.alerts.store.notices()) == [answer.json()["id"]]
