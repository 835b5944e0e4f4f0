"""``helperhub stats``, ``report weekly`` and ``db prune``: figures, pages, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.cli.conftest import Answer, Call
from tests.integration.statistics.conftest import ended, write

from helperhub import Hub
from helperhub.model.execution import Status

MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
SPAN = ("--since", "2026-11-16T00:00:00Z", "--until", "2026-11-23T00:00:00Z")


@pytest.fixture(autouse=True)
def archive(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive in which a week is."""
    monkeypatch.setenv("HELPERHUB_DATABASE_URL", f"sqlite:///{tmp_path}/archive.db")
    found = Hub.from_env([])
    found.upgrade_archive()
    database = found.database
    assert database is not None
    write(database, [ended(MONDAY, "tidy/cellar", ran_ms=2500, queue="high") for _ in range(3)])
    write(database, [ended(MONDAY + timedelta(hours=2), "broken", Status.ERROR, own_id=f"dead-{i}") for i in range(2)])
    database.close()


def rows(call: Call, *words: str) -> list[list[str]]:
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in result.stdout.splitlines()]


def test_summary_shows_a_span_beside_the_one_before(call: Call, answer: Answer) -> None:
    shown = rows(call, "stats", "summary", *SPAN)

    assert shown[0] == ["WHAT", "NOW", "BEFORE", "CHANGE"]
    assert ["executions", "5", "0", "-"] in shown
    assert ["completion rate", "60.0 %", "-", "-"] in shown
    assert answer("stats", "summary", *SPAN)["now"]["error"] == 2


def test_helpers_and_queues_are_listed_in_an_order(call: Call, answer: Answer) -> None:
    shown = rows(call, "stats", "helpers", *SPAN, "--order", "slowest")
    queues = rows(call, "stats", "queues", *SPAN)

    assert [row[:2] for row in shown[1:]] == [["tidy/cellar", "3"], ["broken", "2"]]
    assert (shown[1][-3], shown[1][-1]) == ("2.5s", "7.5s")
    assert [row[:2] for row in queues[1:]] == [["high", "3"], ["default", "2"]]
    assert [row["helper"] for row in answer("stats", "helpers", *SPAN, "--at-least", "3")["helpers"]] == ["tidy/cellar"]
    assert answer("stats", "queues", *SPAN, "--helper", "tidy")["queues"][0]["queue"] == "high"


def test_hours_and_series_are_shown(call: Call, answer: Answer) -> None:
    assert rows(call, "stats", "hours", *SPAN, "--tz", "Asia/Tokyo")[1] == ["monday", "18:00", "3"]
    shown = rows(call, "stats", "series", *SPAN, "--times")
    assert len(shown) == 8
    assert shown[1][:3] == ["2026-11-16T00:00:00Z", "5", "3"]
    assert answer("stats", "series", *SPAN, "--by", "hour")["executions"][9:12] == [3, 0, 2]


def test_report_is_text_page_document_or_file(call: Call, answer: Answer, tmp_path: Path) -> None:
    text = call("report", "weekly", "--week", "2026-W47").stdout
    page = call("report", "weekly", "--week", "2026-W47", "--format", "html").stdout
    written = call("report", "weekly", "--week", "2026-W47", "--format", "html", "--out", str(tmp_path / "week.html"))

    assert text.startswith("Week 47 of 2026, 16 to 22 November 2026 (UTC)\n")
    assert page.startswith("<!doctype html>")
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "week.html").read_text() == page
    assert answer("report", "weekly", "--week", "2026-W47", "--tz", "Europe/Berlin")["now"]["executions"] == 5


def test_prune_says_what_would_go_and_then_removes_it(call: Call, answer: Answer, hub: Hub) -> None:
    words = ("db", "prune", "--older-than", "1d", "--outcome", "error=3000d")

    would = call(*words, "--dry-run").stdout
    done = answer(*words)

    assert would == "3 executions (3 success) and 0 hourly sums would be removed.\n"
    assert (done["total"], done["executions"]["success"], done["executions"]["error"]) == (3, 3, 0)
    assert call(*words).stdout.startswith("0 executions and 0 hourly sums removed.")
    (entry,) = answer("audit", "list", "--action", "archive.")["entries"]
    assert (entry["action"], entry["after"]["total"]) == ("archive.prune", 3)
    assert entry["who"].startswith("person:")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("stats", "summary", "--since", "2d", "--until", "3d"), 2, "no length"),
        (("stats", "helpers", "--order", "largest"), 2, "busiest"),
        (("stats", "hours", "--tz", "Berlin"), 2, "Europe/Berlin"),
        (("report", "weekly", "--week", "last"), 2, "2026-W47"),
        (("report", "weekly", "--out", "/no/such/folder/week.html"), 2, "can't be written"),
        (("db", "prune", "--older-than", "1h"), 2, "1d or more"),
        (("db", "prune", "--outcome", "failed=30d"), 2, "no outcome"),
        (("db", "prune", "--outcome", "error=30"), 2, "--outcome error"),
    ],
)
def test_bad_words_are_answered(call: Call, words: tuple[str, ...], code: int, told: str) -> None:
    result = call(*words)

    assert result.exit_code == code
    assert told in " ".join(result.stderr.split())


def test_hub_without_an_archive_says_what_to_do(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")

    for words in (("stats", "summary"), ("report", "weekly"), ("db", "prune")):
        result = call(*words)
        assert result.exit_code == 3
        assert "helperhub db upgrade" in result.stderr
