"""``helperhub executions``, ``plan`` and ``dead`` against a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from click.testing import Result

from helperhub import Hub
from helperhub.cli import dead

Call = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.fixture
def letters(hub: Hub, worker: dramatiq.Worker) -> list[str]:
    """Three dead letters of ``broken``."""
    del worker
    ids = hub.enqueue_many([("broken", number) for number in range(3)])
    for id_ in ids:
        assert hub.wait(id_, timeout=timedelta(seconds=10)).status.value == "error"
    return [*ids]


def ids_of(documents: list[dict[str, Any]]) -> list[str]:
    return [document["id"] for document in documents]


def test_executions_list_takes_filters(hub: Hub, answer: Answer) -> None:
    attic = hub.enqueue("tidy", metadata={"app": "web"})
    cellar = hub.enqueue("tidy/cellar", delay=timedelta(minutes=5))
    report = hub.enqueue("report")
    hub.executions.cancel(report, reason="test")

    def listed(*words: str) -> list[str]:
        return sorted(ids_of(answer("executions", "list", *words)["executions"]))

    assert listed() == sorted([attic, cellar, report])
    assert listed("--helper", "tidy") == sorted([attic, cellar])
    assert listed("--helper", "tidy/cellar") == [cellar]
    assert listed("--queue", "low") == [report]
    assert listed("--status", "cancelled", "--status", "running") == [report]
    assert listed("--meta", "app=web") == [attic]
    assert listed("--since", "1m") == [report]
    assert listed("--until", "2020-01-01T00:00:00Z") == []
    assert len(listed("--limit", "1")) == 1


def test_executions_list_shows_planned_ones_when_asked(answer: Answer) -> None:
    planned = answer("plan", "list")["planned"]

    listed = answer("executions", "list", "--status", "planned", "--status", "queued", "--limit", "100")

    assert ids_of(listed["executions"]) == ids_of(planned)


def test_executions_list_for_people_has_whole_ids_and_reasons(hub: Hub, call: Call) -> None:
    id_ = hub.enqueue("tidy", id="a" * 150)
    hub.executions.cancel(id_, reason="it is\nSunday")

    heading, line = call("executions", "list").stdout.splitlines()

    assert heading.split() == ["ID", "HELPER", "STATUS", "WHEN", "REASON"]
    assert line.split()[:3] == [id_, "tidy", "cancelled"]
    assert line.endswith("it is Sunday")


def test_executions_show_tells_the_story_of_a_success(
    hub: Hub, call: Call, answer: Answer, worker: dramatiq.Worker
) -> None:
    del worker
    id_ = hub.enqueue("tidy", {"room": "hall"}, metadata={"app": "web"})
    hub.wait(id_, timeout=timedelta(seconds=10))
    deadline = time.monotonic() + 10
    while hub.executions.progress(id_) is None:  # it is written beside the outcome, once a second at most
        assert time.monotonic() < deadline

    story = call("executions", "show", id_).stdout
    document = answer("executions", "show", id_)

    assert story.splitlines()[0] == "success"
    for words in ("(waited ", "(ran ", "asked by  code", "app=web", "1 of 2, half of it", '{"tidied":{"room":"hall"}}'):
        assert words in story
    assert document["progress"]["text"] == "half of it"
    assert document["result"] == {"tidied": {"room": "hall"}}


def test_executions_show_finds_planned_ones_too(answer: Answer, call: Call) -> None:
    planned = answer("plan", "list")["planned"][-1]

    assert answer("executions", "show", planned["id"])["status"] == "planned"
    assert call("executions", "show", planned["id"]).stdout.startswith("planned\n")


@pytest.mark.parametrize(
    "words",
    [
        ["executions", "show"],
        ["executions", "wait"],
        ["executions", "cancel"],
        ["executions", "replay"],
        ["plan", "skip"],
        ["plan", "run"],
        ["plan", "move", "--to", "2099-01-01T00:00:00Z"],
        ["dead", "show"],
        ["dead", "replay"],
        ["dead", "edit", "--payload", "1"],
        ["queues", "pause"],
        ["queues", "resume"],
        ["queues", "purge"],
        ["workers", "pause"],
        ["workers", "resume"],
    ],
)
def test_unknown_id_or_name_exits_with_3(call: Call, words: list[str]) -> None:
    result = call(*words, "nobody", "--json")

    assert (result.exit_code, result.stdout) == (3, "")
    assert json.loads(result.stderr.splitlines()[-1])["error"]["code"] == "not_found"


def test_executions_wait_exits_by_how_it_ended(hub: Hub, call: Call, answer: Answer, worker: dramatiq.Worker) -> None:
    del worker
    good, bad = hub.enqueue("tidy"), hub.enqueue("broken")

    assert answer("executions", "wait", good, "--timeout", "10s")["status"] == "success"
    assert call("executions", "wait", bad, "--timeout", "10s").exit_code == 1


def test_cancel_stops_what_waits_and_refuses_what_is_over(hub: Hub, call: Call, answer: Answer) -> None:
    id_ = hub.enqueue("tidy")

    assert answer("executions", "cancel", id_, "--reason", "rain") == {"id": id_, "outcome": "cancelled"}
    again = call("executions", "cancel", id_, "--json")

    assert answer("executions", "show", id_)["reason"] == "rain"
    assert again.exit_code == 1
    assert json.loads(again.stderr.splitlines()[-1])["error"]["code"] == "conflict"


def test_replay_puts_finished_executions_back(hub: Hub, call: Call, answer: Answer) -> None:
    first, second = hub.enqueue("tidy", 1), hub.enqueue("tidy", 2)
    for id_ in (first, second):
        hub.executions.cancel(id_, reason="")

    replayed = answer("executions", "replay", first, second)["replayed"]
    told = call("executions", "replay", first)

    assert [row["replay_of"] for row in replayed] == [first, second]
    assert [answer("executions", "show", row["id"])["payload"] for row in replayed] == [1, 2]
    assert told.stdout.startswith(f"{first} is replayed as ")


def test_plan_list_is_in_order_of_due_time(call: Call, answer: Answer) -> None:
    planned = answer("plan", "list")["planned"]

    assert [execution["due_at"] for execution in planned] == sorted(execution["due_at"] for execution in planned)
    assert {execution["status"] for execution in planned} == {"planned"}
    assert ids_of(answer("plan", "list", "--limit", "2")["planned"]) == ids_of(planned[:2])
    assert answer("plan", "list", "--helper", "report") == {"planned": []}
    assert call("plan", "list").stdout.splitlines()[1].split()[-3:] == [planned[0]["id"], "default", "3"]


def test_plan_skip_move_and_run_change_one_planned_execution(call: Call, answer: Answer) -> None:
    # The last ones: no due time may pass while the test runs.
    *_, skipped, moved, run = ids_of(answer("plan", "list")["planned"])

    assert answer("plan", "skip", skipped, "--reason", "rain") == {"id": skipped, "due_at": None}
    assert answer("plan", "move", moved, "--to", "2099-01-01T00:00:00Z")["due_at"] == "2099-01-01T00:00:00Z"
    assert answer("plan", "run", run)["id"] == run

    assert answer("executions", "show", skipped)["reason"] == "rain"
    assert answer("executions", "show", moved)["due_at"] == "2099-01-01T00:00:00Z"
    assert skipped not in ids_of(answer("plan", "list")["planned"])
    assert call("plan", "skip", skipped).exit_code == 3


def test_plan_move_to_the_past_exits_with_2(call: Call, answer: Answer) -> None:
    planned = answer("plan", "list")["planned"][-1]["id"]

    assert call("plan", "move", planned, "--to", "2020-01-01T00:00:00Z").exit_code == 2
    assert call("plan", "move", planned).exit_code == 2


def test_dead_letters_are_listed_and_shown(letters: list[str], call: Call, answer: Answer) -> None:
    document = answer("dead", "list", "--limit", "2")
    told = call("dead", "list", "--limit", "2")

    assert (len(document["dead"]), document["total"]) == (2, 3)
    assert set(ids_of(document["dead"])) <= set(letters)
    assert told.stderr == "2 of 3; --limit shows more.\n"
    assert answer("dead", "list", "--helper", "tidy") == {"dead": [], "total": 0}
    assert answer("dead", "show", letters[0])["error"]["type"].endswith("LookupError")
    assert "no such room: 0" in call("dead", "show", letters[0]).stdout


def test_dead_replay_takes_ids_or_all(letters: list[str], answer: Answer) -> None:
    one = answer("dead", "replay", letters[0])["replayed"]
    none = answer("dead", "replay", "--all", "--helper", "tidy")["replayed"]

    rest = answer("dead", "replay", "--all", "--helper", "broken")["replayed"]

    assert [row["replay_of"] for row in one] == [letters[0]]
    assert none == []
    assert set(letters[1:]) <= {row["replay_of"] for row in rest}


def test_dead_delete_takes_ids_or_all(letters: list[str], answer: Answer) -> None:
    assert answer("dead", "delete", letters[0], "--yes")["deleted"] == 1
    assert answer("dead", "delete", "--all", "--helper", "tidy", "--yes")["deleted"] == 0
    assert answer("dead", "delete", "--all", "--yes")["deleted"] == 2
    assert answer("dead", "list") == {"dead": [], "total": 0}


def test_what_was_deleted_or_replayed_is_taken_back_by_what_the_command_says(
    letters: list[str], call: Call, answer: Answer
) -> None:
    said = call("dead", "delete", letters[0], "--yes").stderr
    change = said.split("'")[1].split()
    back, again = answer(*change[1:]), call(*change[1:])
    nothing = call("dead", "delete", letters[0], "nobody", "--yes").stderr
    unknown = call("undo", "nobody")

    assert said.endswith("takes it back, for 10 minutes.\n")
    assert (back["change"], back["undone"], back["again"]) == ("delete", 1, False)
    assert again.stdout == "That was undone before. 1 dead letter put back.\n"
    assert "takes it back" in nothing
    assert (unknown.exit_code, "no change 'nobody'" in unknown.stderr) == (3, True)


def test_dead_delete_needs_a_yes_where_nobody_can_be_asked(letters: list[str], call: Call, answer: Answer) -> None:
    result = call("dead", "delete", "--all")

    assert result.exit_code == 2
    assert result.stderr == "helperhub: Deleting 3 dead letters needs a yes. Give --yes.\n"
    assert answer("dead", "list")["total"] == len(letters)


@pytest.mark.parametrize(("reply", "code", "left"), [("y", 0, 0), ("n", 1, 3), ("", 130, 3)])
def test_dead_delete_asks_on_a_terminal_and_says_how_many(
    letters: list[str], call: Call, answer: Answer, monkeypatch: pytest.MonkeyPatch, reply: str, code: int, left: int
) -> None:
    del letters
    monkeypatch.setattr(dead, "is_terminal", lambda: True)

    result = call("dead", "delete", "--all", stdin=reply)

    assert result.exit_code == code
    assert "Delete 3 dead letters?" in result.stderr
    assert answer("dead", "list")["total"] == left


@pytest.mark.parametrize("command", ["replay", "delete"])
@pytest.mark.parametrize("words", [[], ["a", "--all"], ["a", "--helper", "tidy"], ["--helper", "tidy"]])
def test_dead_letters_must_be_named_in_one_way(call: Call, command: str, words: list[str]) -> None:
    assert call("dead", command, *words).exit_code == 2


def test_dead_groups_tell_what_they_failed_of(letters: list[str], call: Call, answer: Answer) -> None:
    (group,) = answer("dead", "groups")["groups"]
    heading, line = call("dead", "groups").stdout.splitlines()

    assert (group["helper"], group["count"], group["message"]) == ("broken", 3, "no such room: N")
    assert heading.split() == ["CAUSE", "HELPER", "COUNT", "LAST", "WHAT", "EXAMPLE"]
    assert line.split()[:3] == [group["fingerprint"], "broken", "3"]
    assert sorted(ids_of(answer("dead", "list", "--cause", group["fingerprint"])["dead"])) == sorted(letters)
    assert answer("dead", "list", "--cause", "0123456789abcdef") == {"dead": [], "total": 0}


def test_dead_replay_by_cause_and_rate_is_left_to_a_worker(
    letters: list[str], hub: Hub, call: Call, answer: Answer
) -> None:
    fingerprint = answer("dead", "groups")["groups"][0]["fingerprint"]
    refused = call("dead", "replay", letters[0], "--rate", "10/s")

    started = answer("dead", "replay", "--cause", fingerprint, "--rate", "10/s")["id"]

    assert (refused.exit_code, "go with --all or --cause" in refused.stderr) == (2, True)
    waiting = hub.executions.get(started)
    assert (waiting.helper, waiting.payload["rate"], waiting.payload["cause"]) == (
        "helperhub.replay",
        "10/s",
        fingerprint,
    )
    assert waiting.metadata["by"].startswith("person:")
    hub.executions.cancel(started, reason="seen")


def test_dead_edit_puts_one_back_with_another_payload(letters: list[str], hub: Hub, answer: Answer) -> None:
    (replayed,) = answer("dead", "edit", letters[0], "--payload", '{"room": 7}')["replayed"]

    assert replayed["replay_of"] == letters[0]
    assert hub.wait(replayed["id"], timeout=timedelta(seconds=10)).payload == {"room": 7}


def test_dead_delete_by_cause_spares_the_others(letters: list[str], answer: Answer) -> None:
    assert answer("dead", "delete", "--cause", "0123456789abcdef", "--yes")["deleted"] == 0
    fingerprint = answer("dead", "groups")["groups"][0]["fingerprint"]
    assert answer("dead", "delete", "--cause", fingerprint, "--yes")["deleted"] == len(letters)
