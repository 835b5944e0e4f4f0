"""Alerts: seen and taken on; rules changed and set back."""

from __future__ import annotations

from tests.integration.api.conftest import Api, Serve
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope
from helperhub.services.audit import AuditFilter

FEW = {"HELPERHUB_ALERTS__QUEUE_DEPTH": "1"}


def _fire(api: Api) -> str:
    """Let the queue's depth fire, and return the alert's id."""
    for _ in range(3):
        api.hub.enqueue("echo")
    api.hub.build_alert_watch().turn()
    [alert] = [one for one in api.hub.alerts.all() if one["rule"] == "queue_depth"]
    return str(alert["id"])


def test_alert_is_shown_and_taken_on(serve: Serve) -> None:
    api = serve(settings=FEW)
    browser, alert = Browser(api, api.key(Scope.MANAGE)), _fire(api)

    page = browser.see("alerts").text
    answer = browser.do("alerts/acknowledge", {"id": alert, "note": "<b>on it</b>"})

    assert "queue:default" in page
    assert "taken it on" in answer.headers["hx-trigger"]
    assert api.hub.alerts.show(alert)["note"] == "<b>on it</b>"
    after = browser.see("alerts").text
    assert "&lt;b&gt;on it&lt;/b&gt;" in after
    assert api.hub.audit.find(AuditFilter(action="alert.acknowledge"), limit=1)[0]["target"] == alert


def test_rule_is_changed_for_all_and_for_one_and_set_back(api: Api, browser: Browser) -> None:
    browser.do("alerts/rule", {"rule": "queue_depth", "threshold": "7", "subject": ""})
    browser.do("alerts/rule", {"rule": "late", "threshold": "2m", "subject": "helper:echo"})

    rules = {one["rule"]: one for one in api.hub.alerts.rules()}
    assert rules["queue_depth"]["threshold"] == 7
    assert rules["late"]["subjects"][0]["threshold"] == 120
    assert "changed here" in browser.see("alerts").text
    browser.do("alerts/reset", {"rule": "queue_depth"})
    browser.do("alerts/reset", {"rule": "late", "subject": "helper:echo"})
    rules = {one["rule"]: one for one in api.hub.alerts.rules()}
    assert rules["queue_depth"]["threshold"] == rules["queue_depth"]["setting"]
    assert rules["late"]["subjects"] == []


def test_wrong_threshold_is_told_in_place(api: Api, browser: Browser) -> None:
    answer = browser.do("alerts/rule", {"rule": "queue_depth", "threshold": "many"})
    unknown = browser.do("alerts/rule", {"rule": "failures", "threshold": "3", "subject": "helper:nobody"})

    assert "can&#39;t be a threshold" in answer.text
    assert "nobody" in unknown.text
    assert browser.do("alerts/rule", {"rule": "nothing", "threshold": "3"}).status_code == 404
    assert api.hub.alerts.rules()[0]["threshold"] == api.hub.alerts.rules()[0]["setting"]


def test_narrowed_key_sees_alerts_of_its_own_and_no_rules(serve: Serve) -> None:
    api = serve(settings=FEW)
    alert = _fire(api)
    own = Browser(api, api.key(Scope.MANAGE, queues=["default"]))
    other = Browser(api, api.key(Scope.MANAGE, queues=["reports"]))

    assert alert in own.see("alerts").text
    assert alert not in other.see("alerts").text
    assert "Rules" not in own.see("alerts").text.split("<main", 1)[1].split("Nothing fires")[0]
    assert other.do("alerts/acknowledge", {"id": alert}).status_code == 404
    assert own.do("alerts/rule", {"rule": "queue_depth", "threshold": "3"}).status_code == 403


def test_reader_is_offered_no_action(serve: Serve, open_browser: Open) -> None:
    reader = open_browser(Scope.READ)

    page = reader.see("alerts").text

    assert "Change&hellip;" not in page
    assert reader.do("alerts/test").status_code == 403
