"""``helperhub executions list QUERY`` and ``export``, across Redis and archive."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from helperhub import Hub

Call = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.fixture
def environ(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process's environment, with an archive."""
    monkeypatch.setenv("HELPERHUB_DATABASE_URL", f"sqlite:///{tmp_path / 'archive.db'}")
    return {**environ, "HELPERHUB_DATABASE_URL": f"sqlite:///{tmp_path / 'archive.db'}"}


@pytest.fixture
def half_archived(hub: Hub) -> list[str]:
    """Four cancelled executions, newest first, of which the archive alone has two."""
    hub.upgrade_archive()
    ids = [end(hub, "tidy", "the disk is full"), end(hub, "report", "=1+1")]
    hub.build_archiver().advance()
    for queue in ("default", "low"):
        hub.scripts.trim(queue, "f", keep_ms=-10_000, limit=10, bound_bytes=0, held=True)
    assert hub.records.get(ids[0]) is None
    return [*reversed([*ids, end(hub, "tidy", "nobody wants it"), end(hub, "report", "the disk is gone")])]


def end(hub: Hub, helper: str, reason: str) -> str:
    id_ = hub.enqueue(helper, metadata={"app": helper[0]})
    hub.executions.cancel(id_, reason=reason)
    return str(id_)


def found(answer: Answer, *words: str) -> list[str]:
    return [one["id"] for one in answer("executions", "list", *words)["executions"]]


def test_search_in_words_finds_what_is_in_redis_and_in_the_archive(half_archived: list[str], answer: Answer) -> None:
    d, c, b, a = half_archived

    assert found(answer) == [d, c, b, a]
    assert found(answer, "disk") == [d, a]
    assert found(answer, "helper:tidy", "disk") == [a]
    assert found(answer, "text:disk is", "metadata.app:r") == [d]
    assert found(answer, 'text:"disk is full"') == [a]
    assert found(answer, "status:cancelled,error queue:low since:1h") == [d, b]
    assert found(answer, "helper:tidy", "--limit", "1") == [c]
    assert found(answer, "disk", "--queue", "low") == [d]


def test_listing_says_how_far_the_archive_was_read(half_archived: list[str], answer: Answer) -> None:
    archive = answer("executions", "list")["archive"]

    assert (archive["state"], archive["problem"]) == ("read", "")
    assert archive["until"] is not None


def test_word_that_cant_be_understood_ends_with_2_and_a_hint(call: Call) -> None:
    result = call("executions", "list", "status:eror")

    assert result.exit_code == 2
    assert "'eror' is no state" in result.stderr
    assert "Did you mean 'error'?" in result.stderr


def test_archived_execution_is_shown_by_id(half_archived: list[str], answer: Answer, call: Call) -> None:
    assert answer("executions", "show", half_archived[-1])["reason"] == "the disk is full"
    assert call("why", half_archived[-1]).stdout.strip().endswith("It is over: cancelled, the disk is full.")

    replayed = call("executions", "replay", half_archived[-1])

    assert replayed.exit_code == 1
    assert "only the archive has it" in replayed.stderr


def test_archive_that_cant_be_read_is_said_on_stderr(
    half_archived: list[str], hub: Hub, answer: Answer, call: Call, tmp_path: Path
) -> None:
    hub.close()
    with sqlite3.connect(tmp_path / "archive.db") as database:
        database.execute("DROP TABLE places")

    listed = call("executions", "list", "--json")
    exported = call("executions", "export")

    assert listed.exit_code == 0
    assert "The archive can't be read, so only what Redis has is shown." in listed.stderr
    assert json.loads(listed.stdout)["archive"]["state"] == "away"
    assert exported.exit_code == 69
    assert exported.stdout == ""


def test_export_has_all_that_is_found_on_both_sides(half_archived: list[str], call: Call, tmp_path: Path) -> None:
    lines = call("executions", "export", "status:cancelled").stdout.splitlines()
    done = call("executions", "export", "queue:low", "--format", "csv", "--out", str(tmp_path / "low.csv"))

    assert [json.loads(line)["id"] for line in lines] == half_archived
    assert (done.exit_code, done.stdout) == (0, "")
    with (tmp_path / "low.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(row["id"], row["reason"]) for row in rows] == [
        (half_archived[0], "the disk is gone"),
        (half_archived[2], "'=1+1"),
    ]


def test_export_that_fails_leaves_no_half_file(half_archived: list[str], call: Call, tmp_path: Path) -> None:
    result = call("executions", "export", "--out", str(tmp_path / "nowhere" / "x.csv"))

    assert result.exit_code == 2
    assert "can't be written" in result.stderr
    assert list(tmp_path.rglob("*x.csv*")) == []
