"""``helperhub alerts``: what people read, and the same as JSON."""

from __future__ import annotations

from tests.integration.cli.conftest import Answer, Call

from helperhub import Hub
from helperhub.model.alert import Alert, AlertRule


def fire(hub: Hub) -> str:
    alert = Alert(
        "a1", AlertRule.DEAD_LETTERS, "helper:tidy", 1, 0, "New dead letters of 'tidy': 1.", 1_795_000_000_000
    )
    assert hub.alerts.store.write(hub.alerts.store.read().version, changed=[alert])
    return alert.id


def test_alert_is_listed_shown_taken_on_and_in_the_status(hub: Hub, call: Call, answer: Answer) -> None:
    assert call("alerts", "list").stderr == "Nothing fires.\n"
    id_ = fire(hub)

    listed = call("alerts", "list").stdout
    shown = answer("alerts", "show", id_)
    taken = call("alerts", "ack", id_, "--note", "on it").stdout
    after = answer("alerts", "list")["alerts"]

    assert "New dead letters of 'tidy': 1." in listed
    assert shown["subject"] == "helper:tidy"
    assert "is acknowledged by" in taken
    assert [(one["state"], one["note"]) for one in after] == [("acknowledged", "on it")]
    assert "New dead letters of 'tidy': 1. (acknowledged, a1)" in call("status").stdout


def test_thresholds_are_written_as_people_write_them(call: Call, answer: Answer) -> None:
    assert call("alerts", "set", "queue_depth", "20", "--queue", "low").stdout == (
        "queue_depth fires above 20 for queue:low.\n"
    )
    assert call("alerts", "set", "late", "1m30s").stdout == "late fires above 1m30s.\n"
    assert call("alerts", "set", "redis_memory", "80%").stdout == "redis_memory fires above 80 %.\n"
    assert call("alerts", "set", "failures", "off", "--helper", "tidy").stdout == "failures is off for helper:tidy.\n"
    rules = {one["rule"]: one for one in answer("alerts", "rules")["rules"]}
    assert (rules["late"]["threshold"], rules["redis_memory"]["threshold"]) == (90, 0.8)

    assert call("alerts", "reset", "late").stdout == "late fires above 30s.\n"
    assert "(changed)" in call("alerts", "rules").stdout


def test_mistakes_are_answered_with_what_to_write(call: Call) -> None:
    cases = [
        (("set", "depth", "1"), 3, "There are: queue_depth"),
        (("set", "queue_depth", "many"), 2, "Write a whole number"),
        (("set", "late", "5"), 2, "5s"),
        (("set", "redis_memory", "101%"), 2, "0 to 1"),
        (("set", "queue_depth", "1", "--helper", "tidy"), 2, "queue:NAME"),
        (("set", "failures", "1", "--helper", "tydi"), 3, "helpers list"),
        (("set", "failures", "1", "--helper", "tidy", "--queue", "low"), 2, "not both"),
        (("ack", "nothing"), 3, "alerts list"),
    ]
    for words, code, said in cases:
        result = call("alerts", *words)

        assert (result.exit_code, said in result.stderr) == (code, True), (words, result.stderr)


def test_test_says_where_to_look(hub: Hub, call: Call) -> None:
    result = call("alerts", "test")

    assert result.exit_code == 0
    (id_,) = hub.alerts.store.notices()
    assert id_ in result.stdout
