"""``helperhub queues``, ``workers``, ``plugins``, ``doctor``, and whole processes, against a real server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import dramatiq
import pytest
from click.testing import Result

from helperhub import Hub

Call = Callable[..., Result]
Answer = Callable[..., Any]


def test_queues_are_listed_paused_resumed_and_purged(hub: Hub, call: Call, answer: Answer) -> None:
    hub.enqueue_many([("tidy", None), ("tidy", None), ("report", None)])

    queues = {queue["name"]: queue for queue in answer("queues", "list")["queues"]}
    paused = answer("queues", "pause", "default")
    state = [line.split()[:3] for line in call("queues", "list").stdout.splitlines()]
    resumed = answer("queues", "resume", "default")
    purged = answer("queues", "purge", "default", "--reason", "spring")

    assert (queues["default"]["ready"], queues["low"]["ready"]) == (2, 1)
    assert paused == {"queue": "default", "paused": True}
    assert state == [["QUEUE", "STATE", "READY"], ["default", "paused", "2"], ["low", "open", "1"]]
    assert resumed == {"queue": "default", "paused": False}
    assert (purged["queue"], purged["purged"]) == ("default", 2)
    back = call("undo", purged["undo"])
    assert (back.exit_code, back.stdout) == (0, "2 executions enqueued again.\n")
    assert answer("executions", "list", "--queue", "default")["executions"][-1]["reason"] == "purged: spring"


def test_workers_are_listed_paused_and_resumed(call: Call, answer: Answer, worker: dramatiq.Worker) -> None:
    del worker
    (listed,) = answer("workers", "list")["workers"]

    assert listed["threads"] == 2
    assert answer("workers", "pause", listed["id"]) == {"worker": listed["id"], "paused": True}
    assert call("workers", "list").stdout.splitlines()[1].split()[:2] == [listed["id"], "suspended"]
    assert answer("workers", "resume", listed["id"]) == {"worker": listed["id"], "paused": False}


def test_lists_are_empty_documents_where_there_is_nothing(call: Call, answer: Answer) -> None:
    assert answer("queues", "list") == {"queues": []}
    assert answer("workers", "list") == {"workers": []}
    assert answer("executions", "list") == {
        "executions": [],
        "archive": {"state": "none", "until": None, "problem": ""},
    }
    assert call("queues", "list").stdout == ""


def test_doctor_exits_with_0_and_warns_that_nobody_is_at_work(call: Call, answer: Answer) -> None:
    document = answer("doctor")

    grades = {finding["check"]: finding["grade"] for finding in document["findings"]}
    assert document["ok"] is True
    assert (grades["redis"], grades["workers"], grades["scheduler"]) == ("ok", "warning", "warning")
    assert "Start 'helperhub up' or 'helperhub worker'." in call("doctor").stdout


@pytest.mark.parametrize("words", [["helpers", "list"], ["helpers", "run", "tidy"], ["queues", "list"]])
def test_commands_exit_with_69_when_redis_is_away(
    call: Call, monkeypatch: pytest.MonkeyPatch, words: Sequence[str]
) -> None:
    monkeypatch.setenv("HELPERHUB_REDIS_URL", "redis://127.0.0.1:1/0")

    result = call(*words, "--json")

    assert (result.exit_code, result.stdout) == (69, "")
    assert json.loads(result.stderr.splitlines()[-1])["error"]["code"] == "store_unavailable"


def test_doctor_exits_with_3_when_redis_is_away(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_REDIS_URL", "redis://127.0.0.1:1/0")

    assert call("doctor").exit_code == 3


def test_commands_that_look_load_no_plugins(hub: Hub, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(hub: Hub) -> None:
        raise AssertionError(hub)

    id_ = hub.enqueue("tidy")
    monkeypatch.setattr(Hub, "load_plugins", refuse)

    for words in (
        ["helpers", "list"],
        ["helpers", "run", "tidy"],
        ["executions", "show", id_],
        ["plan", "list"],
        ["dead", "list"],
        ["queues", "list"],
        ["workers", "list"],
    ):
        assert call(*words).exit_code == 0


def run_process(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "helperhub", *words], env=environ, capture_output=True, text=True, check=False
    )


def test_process_runs_a_helper_and_lists_it(hub: Hub, environ: dict[str, str]) -> None:
    del hub
    enqueued = run_process(environ, "helpers", "run", "tidy", "--id", "mine")
    listed = run_process(environ, "executions", "list", "--json")

    assert (enqueued.returncode, enqueued.stdout, enqueued.stderr) == (0, "mine\n", "")
    assert [execution["id"] for execution in json.loads(listed.stdout)["executions"]] == ["mine"]


def test_process_exits_with_3_for_a_helper_that_is_not_there(hub: Hub, environ: dict[str, str]) -> None:
    del hub
    done = run_process(environ, "helpers", "show", "nobody")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("helperhub: No helper is named 'nobody'.")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_terminal_of_80_columns_shows_a_table_that_fits(
    hub: Hub, environ: dict[str, str], no_color: str, *, coloured: bool
) -> None:
    id_ = hub.enqueue("tidy/cellar")
    hub.executions.cancel(id_, reason="a reason that is much longer than what is left of the line")

    shown = run_on_terminal({**environ, "NO_COLOR": no_color, "COLUMNS": "80", "TERM": "xterm"}, "executions", "list")

    plain = shown.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert ("\x1b[" in shown) is coloured
    assert max(len(line) for line in plain.splitlines()) <= 80
    assert id_ in plain


def run_on_terminal(environ: dict[str, str], *words: str) -> str:
    """Return what the command writes when its stdout is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "helperhub", *words], env=environ, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65_536)
            except OSError:  # Linux says so when the other side has closed
                break
            if not chunk:
                break
            shown += chunk
    os.close(ours)
    assert process.returncode == 0
    return shown.decode()
