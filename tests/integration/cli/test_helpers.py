"""``helperhub helpers`` against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from click.testing import Result

from helperhub import Hub

Call = Callable[..., Result]
Answer = Callable[..., Any]


def test_helpers_list_shows_every_helper_and_instance(answer: Answer) -> None:
    found = {helper["name"]: helper for helper in answer("helpers", "list")["helpers"]}

    assert list(found) == ["broken", "report", "tidy", "tidy/cellar"]
    assert (found["tidy"]["enabled"], found["report"]["enabled"]) == (True, False)
    assert found["tidy"]["schedule"] == "every 10m"
    assert found["tidy"]["next_due_at"].endswith("0:00Z")
    assert {"queue", "priority", "overlap", "payload", "plugin", "override"} <= set(found["tidy"])


def test_helpers_list_for_people_is_a_line_each(call: Call) -> None:
    lines = call("helpers", "list").stdout.splitlines()

    assert lines[0].split() == ["HELPER", "STATE", "SCHEDULE", "NEXT"]
    assert lines[3].split()[:4] == ["tidy", "enabled", "every", "10m"]
    assert lines[3].rpartition(", in ")[1]
    assert lines[4].split() == ["tidy/cellar", "enabled", "when", "asked"]


def test_helpers_show_tells_of_one(call: Call, answer: Answer) -> None:
    assert answer("helpers", "show", "tidy")["plugin"] == "house"
    assert 'payload     {"room":"cellar"}' in call("helpers", "show", "tidy/cellar").stdout


def test_helpers_show_names_the_monitors_that_sentry_is_told_of(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    without = call("helpers", "show", "tidy").stdout
    monkeypatch.setenv("HELPERHUB_SENTRY_DSN", "https://key@sentry.example.org/1")

    assert "sentry" not in without
    shown = call("helpers", "show", "tidy").stdout.splitlines()[-1]
    assert shown.split() == ["sentry", "tidy:", "every", "10", "minutes"]


@pytest.mark.parametrize("command", [["show"], ["enable"], ["disable"], ["reset"], ["run"], ["update", "--priority=1"]])
def test_unknown_helper_exits_with_3_and_a_close_name(call: Call, command: list[str]) -> None:
    result = call("helpers", *command, "tydy", "--json")

    assert (result.exit_code, result.stdout) == (3, "")
    line, document = result.stderr.splitlines()
    assert line.startswith("helperhub: No helper is named 'tydy'. Did you mean 'tidy'?")
    assert json.loads(document)["error"]["code"] == "not_found"


def test_disable_and_enable_answer_how_the_plan_changed(call: Call, answer: Answer) -> None:
    planned = len(answer("plan", "list", "--helper", "tidy")["planned"])

    disabled = answer("helpers", "disable", "tidy", "--reason", "holiday")
    enabled = call("helpers", "enable", "tidy")

    assert disabled == {"helper": "tidy", "enabled": False, "planned": 0, "removed": planned}
    assert enabled.stdout.startswith("tidy is enabled: 0 due times removed, ")
    assert answer("helpers", "show", "tidy")["override"]["enabled"] is True


def test_update_changes_what_is_named_and_nothing_else(answer: Answer, tmp_path: Path) -> None:
    (tmp_path / "payload.json").write_text('{"room": "hall"}')
    words = ["--schedule", "a=every 30m", "--schedule", "b=daily 07:30", "--expires-after", "1h", "--enable"]

    change = answer("helpers", "update", "report", *words, "--payload", "@payload.json", "--reason", "spring")

    helper = answer("helpers", "show", "report")
    assert change["enabled"] is True
    assert change["planned"] >= 3
    assert set(helper["schedules"]) == {"a", "b"}
    assert (helper["expires_after"], helper["payload"], helper["priority"]) == ("1h", {"room": "hall"}, 3)
    assert helper["override"]["reason"] == "spring"


def test_update_takes_the_http_apis_schedule_with_what_it_says_of_the_helper(answer: Answer) -> None:
    schedule = '{"type": "interval", "interval_minutes": 20, "priority": 2, "expiry": 60}'

    answer("helpers", "update", "tidy", "--schedule", schedule, "--priority", "1")

    helper = answer("helpers", "show", "tidy")
    assert (helper["schedule"], helper["priority"], helper["expires_after"]) == ("every 20m", 1, "1m")


def test_update_makes_an_instance_only_when_told_to(call: Call, answer: Answer) -> None:
    words = ["helpers", "update", "tidy/attic", "--schedule", "every 1h"]

    assert call(*words).exit_code == 3
    assert answer(*words, "--create")["planned"] >= 1
    assert answer("helpers", "show", "tidy/attic")["schedule"] == "every 1h"


def test_reset_brings_back_what_was_declared(answer: Answer) -> None:
    answer("helpers", "update", "tidy", "--schedule", "every 1h", "--priority", "1")

    answer("helpers", "reset", "tidy")

    helper = answer("helpers", "show", "tidy")
    assert (helper["schedule"], helper["priority"], helper["override"]) == ("every 10m", 3, None)


@pytest.mark.parametrize(
    "words", [["tidy"], ["tidy", "--schedule", "every 5"], ["tidy", "--priority", "9"], ["tidy", "--payload", "{"]]
)
def test_update_exits_with_2_when_it_cannot_understand(call: Call, words: list[str]) -> None:
    assert call("helpers", "update", *words).exit_code == 2


def test_run_enqueues_and_prints_the_id(call: Call, answer: Answer) -> None:
    words = ["--payload", '"hall"', "--priority", "1", "--delay", "5m", "--meta", "app=web", "--meta", "user=ann"]

    result = call("helpers", "run", "tidy", *words)

    execution = answer("executions", "show", result.stdout.strip())
    assert (execution["status"], execution["trigger"], execution["priority"]) == ("queued", "manual", 1)
    assert execution["payload"] == "hall"
    assert execution["metadata"] == {"app": "web", "user": "ann"}
    assert execution["due_at"] > execution["enqueued_at"]


def test_run_gives_what_the_schedule_would_give_unless_told_otherwise(call: Call, answer: Answer) -> None:
    ids = [
        answer("helpers", "run", "tidy/cellar")["id"],
        call("helpers", "run", "tidy/cellar", "--payload", "-", stdin='"stdin"').stdout.strip(),
    ]

    assert [answer("executions", "show", id_)["payload"] for id_ in ids] == [{"room": "cellar"}, "stdin"]


def test_run_into_a_full_queue_says_how_many_wait_and_exits_with_1(
    call: Call, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELPERHUB_QUEUES__DEFAULT__MAX_DEPTH", "1")
    answer("helpers", "run", "tidy", "--delay", "1h")

    refused = call("helpers", "run", "tidy", "--json")

    assert refused.exit_code == 1
    assert "Queue 'default' is full: 1 executions wait, 1 may." in refused.stderr
    assert '"code": "queue_full"' in refused.stderr


def test_run_with_a_unique_key_says_whether_it_was_there_already(call: Call, answer: Answer) -> None:
    words = ("helpers", "run", "tidy", "--unique-key", "attic", "--unique-for", "1h")
    first = answer(*words)
    second = answer(*words)
    told = call(*words)

    assert second == {**first, "existed": True}
    assert first["existed"] is False
    assert told.stdout.strip() == first["id"]
    assert "it was there already; nothing was enqueued" in told.stderr
    assert answer("executions", "show", first["id"])["unique_key"] == "attic"
    assert "unique key" in call("executions", "show", first["id"]).stdout
    assert call("helpers", "run", "tidy", "--unique-for", "1h").exit_code == 2


def test_run_with_an_id_that_exists_changes_nothing(answer: Answer) -> None:
    first = answer("helpers", "run", "tidy", "--id", "mine", "--payload", "1")
    second = answer("helpers", "run", "tidy", "--id", "mine", "--payload", "2")

    assert first == {"id": "mine", "helper": "tidy", "existed": False}
    assert second == {"id": "mine", "helper": "tidy", "existed": True}
    assert answer("executions", "show", "mine")["payload"] == 1


def test_run_at_a_time_is_due_then(answer: Answer) -> None:
    answer("helpers", "run", "tidy", "--id", "later", "--at", "2099-01-01T00:00:00Z")

    assert answer("executions", "show", "later")["due_at"].startswith(("2098-12-31T23:59:59", "2099-01-01T00:00:0"))


@pytest.mark.parametrize(
    "words",
    [
        ["--payload", "hall"],
        ["--delay", "5"],
        ["--at", "tomorrow"],
        ["--at", "2099-01-01T00:00:00Z", "--delay", "1s"],
        ["--priority", "0"],
        ["--meta", "x"],
        ["--id", "with blank"],
    ],
)
def test_run_exits_with_2_when_it_cannot_understand(call: Call, answer: Answer, words: list[str]) -> None:
    assert call("helpers", "run", "tidy", *words).exit_code == 2
    assert answer("executions", "list")["executions"] == []


def test_run_and_wait_exits_with_0_on_success(call: Call, answer: Answer, worker: dramatiq.Worker) -> None:
    del worker
    document = answer("helpers", "run", "tidy", "--wait", "--timeout", "10s")
    told = call("helpers", "run", "tidy", "--wait")

    assert (document["status"], document["result"]) == ("success", {"tidied": {"room": "attic"}})
    assert told.exit_code == 0
    assert 'result    {"tidied":{"room":"attic"}}' in told.stdout


def test_run_and_wait_exits_with_1_on_failure_and_tells_why(call: Call, worker: dramatiq.Worker) -> None:
    del worker
    result = call("helpers", "run", "broken", "--payload", '"hall"', "--wait", "--timeout", "10s")

    assert result.exit_code == 1
    assert "\nattempt 1 of 1 failed" in result.stdout
    assert "LookupError: no such room: hall" in result.stdout


def test_run_and_wait_exits_with_1_when_it_takes_too_long(call: Call, hub: Hub) -> None:
    result = call("helpers", "run", "tidy", "--wait", "--timeout", "50ms", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == "queued"
    assert result.stderr == "helperhub: it is still queued after 0.05 s\n"
    assert hub.queues.all()[0].ready == 1
