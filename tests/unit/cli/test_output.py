"""Moments, plain columns, and the words of options."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from helperhub.cli.helper_update import read_schedules
from helperhub.cli.moments import show_distance, show_moment, show_span
from helperhub.cli.output import Column, Kind, echo_document, echo_facts, echo_table
from helperhub.cli.words import DurationWord, InstantWord, JsonWord, PairWord
from helperhub.errors import UsageError
from helperhub.model.schedule import Cron, Daily, Every

NOW = datetime(2026, 11, 23, 8, 18, tzinfo=UTC)
LONG_ID = "weather/" + "x" * 80 + "#digest@20261123T083000Z"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "now"),
        (12, "in 12s"),
        (119, "in 119s"),
        (720, "in 12m"),
        (-7200, "2h ago"),
        (90_000, "in 25h"),
        (-259_200, "3d ago"),
    ],
)
def test_distance_has_the_largest_unit_of_which_there_are_two(seconds: float, words: str) -> None:
    assert show_distance(timedelta(seconds=seconds)) == words


def test_moment_is_utc_with_its_distance() -> None:
    berlin = datetime.fromisoformat("2026-11-23T09:30:00+01:00")

    assert show_moment(berlin, NOW) == "2026-11-23 08:30:00Z, in 12m"
    assert show_moment(None, NOW) == ""


@pytest.mark.parametrize(("ms", "words"), [(0, "0ms"), (340, "340ms"), (12_540, "12.5s"), (180_000, "3m")])
def test_span_says_how_long_something_took(ms: int, words: str) -> None:
    assert show_span(timedelta(milliseconds=ms)) == words


def test_table_elsewhere_than_on_a_terminal_has_whole_ids_one_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table([Column("id", Kind.ID), Column("why")], [[LONG_ID, "two\nlines"], ["b", ""]], empty="none")

    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["ID", "WHY"]
    assert first == f"{LONG_ID}  two lines"
    assert second == "b"


def test_table_on_a_terminal_folds_ids_instead_of_cutting_them(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    echo_table([Column("id", Kind.ID), Column("when", Kind.MOMENT)], [[LONG_ID, show_moment(NOW, NOW)]], empty="")

    lines = terminal.getvalue().splitlines()
    assert "".join(line.split(" ")[0] for line in lines[1:]) == LONG_ID
    assert "2026-11-23 08:18:00Z," in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_terminal_gets_no_escape_codes_under_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    echo_table([Column("status")], [["error"]], empty="")
    echo_facts([("id", "a"), ("nothing", "")])

    assert "\x1b" not in terminal.getvalue()
    assert "nothing" not in terminal.getvalue()


class Terminal(io.StringIO):
    """What is written to it, and that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_empty_table_leaves_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table([Column("id")], [], empty="There is none.")

    assert capsys.readouterr() == ("", "There is none.\n")


def test_document_is_utf8_whatever_the_locale() -> None:
    @click.command()
    def show() -> None:
        echo_document({"city": "Köln"})

    result: Result = CliRunner(charset="ascii").invoke(show)

    assert json.loads(result.stdout_bytes) == {"city": "Köln"}


def read(word: click.ParamType[Any], text: str) -> Any:
    """Return what an option of this type makes of ``text``."""
    return word.convert(text, None, None)


def test_instant_may_be_a_duration_ago_where_that_makes_sense() -> None:
    before = datetime.now(UTC)

    ago = read(InstantWord(ago=True), "2h")

    assert before - timedelta(hours=2) <= ago <= datetime.now(UTC) - timedelta(hours=2)
    assert read(InstantWord(ago=True), "2026-11-23T08:18:00Z") == NOW


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (InstantWord(), "2h"),
        (InstantWord(ago=True), "2 fortnights"),
        (DurationWord(), "5"),
        (PairWord(), "name"),
        (PairWord(), "=value"),
        (JsonWord(), "Berlin"),
        (JsonWord(), "@/nowhere/to/be.found"),
    ],
)
def test_words_that_mean_nothing_are_refused(word: click.ParamType[Any], text: str) -> None:
    with pytest.raises(click.BadParameter):
        read(word, text)


def test_json_is_taken_as_it_stands_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "payload.json").write_text('{"city": "Köln"}', encoding="utf-8")

    assert read(JsonWord(), "[1, null]") == [1, None]
    assert read(JsonWord(), f"@{tmp_path / 'payload.json'}") == {"city": "Köln"}


def test_pair_is_parted_at_its_first_equals_sign() -> None:
    assert read(PairWord(), "url=http://x/?a=b") == ("url", "http://x/?a=b")


def test_schedules_have_names_only_where_one_stands_before_the_first_equals_sign() -> None:
    schedules, fields = read_schedules(["daily 07:30 tz=UTC", "digest=every 30m jitter=5s", "n.1=@daily"])

    assert schedules == {
        "": Daily("07:30", tz="UTC"),
        "digest": Every(timedelta(minutes=30), jitter=timedelta(seconds=5)),
        "n.1": Cron("@daily"),
    }
    assert fields == {}


def test_schedule_as_json_may_say_more_of_its_helper() -> None:
    schedules, fields = read_schedules(['{"type": "daily", "time": "07:30", "priority": 2, "expiry": 60}'])

    assert schedules == {"": Daily("07:30")}
    assert fields == {"priority": 2, "expires_after": timedelta(minutes=1)}


def test_two_schedules_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="Two schedules have no name"):
        read_schedules(["daily 07:30", "daily 19:30"])
