"""Exports: every row whole, whatever stands in it, and no cell that a spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.services.export import COLUMNS, ExportFormat, write_cell, write_export

NASTY = 'a "quoted", text\r\nof two lines; é\ud800'


def execution(id_: str, **more: Any) -> Execution:
    return Execution(id=id_, helper="weather/berlin", queue="default", priority=3, status=Status.ERROR, **more)


def table(*executions: Execution) -> list[dict[str, str]]:
    text = b"".join(write_export(executions, ExportFormat.CSV)).decode()
    return [*csv.DictReader(io.StringIO(text, newline=""))]


def test_csv_has_every_member_and_reads_back() -> None:
    (row,) = table(
        execution("a", payload={"note": 'say "x"'}, reason="one, two\nthree", errors=(AttemptError("E", "it's"),))
    )

    assert [*row] == list(COLUMNS)
    assert (row["id"], row["helper"], row["instance"], row["status"]) == ("a", "weather", "berlin", "error")
    assert json.loads(row["payload"]) == {"note": 'say "x"'}
    assert (row["reason"], row["error_type"], row["error_message"]) == ("one, two\nthree", "E", "it's")
    assert (row["result"], row["metadata"], row["replay_of"], row["finished_at"]) == ("", "", "", "")


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    (row,) = table(execution("a", reason=text, unique_key=text, payload=text, result=text))

    assert {row[name] for name in ("reason", "unique_key", "payload", "result")} == {f"'{text}"}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ({}, ""),
        ("text", "text"),
        (-5, "'-5"),
        (7, "7"),
        (False, "false"),
        ([1], "[1]"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_cell_is_text_or_json(value: object, cell: str) -> None:
    assert write_cell(value) == cell


@pytest.mark.parametrize("kind", ExportFormat)
def test_no_text_ends_a_file_early(kind: ExportFormat) -> None:
    executions = [execution("a", payload={"note": NASTY, "n": 10**40}), execution("b", reason=NASTY), execution("c")]

    text = b"".join(write_export(executions, kind)).decode()

    assert text.rstrip().splitlines()[-1].startswith(("c,weather", '{"id":"c"'))


def test_json_lines_are_the_documents() -> None:
    executions = [execution("a", payload=[1, {"b": None}]), execution("b")]

    lines = b"".join(write_export(executions, ExportFormat.JSONL)).splitlines()

    assert [json.loads(line) for line in lines] == [one.to_document() for one in executions]


def test_export_holds_a_part_at_a_time() -> None:
    taken = 0

    def many() -> Iterator[Execution]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield execution(f"n{number}")

    first = next(write_export(many(), ExportFormat.CSV))

    assert taken < 2_000
    assert len(first) < 100_000


def test_export_of_nothing_has_its_columns() -> None:
    assert b"".join(write_export([], ExportFormat.CSV)).decode().strip() == ",".join(COLUMNS)
    assert b"".join(write_export([], ExportFormat.JSONL)) == b""
