"""Executions as a file: CSV for spreadsheets, JSON lines for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import orjson

from helperhub.model.execution import Execution

#: Handed on at once, bytes: what is exported is never held as a whole.
_CHUNK = 65_536
#: A spreadsheet takes what begins so for a formula, which may call programs or send cells away.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: The columns of a CSV file: members of the document, and of its last error.
COLUMNS = (
    *("id", "helper", "instance", "queue", "priority", "status", "reason"),
    *("planned_at", "due_at", "enqueued_at", "started_at", "finished_at", "expires_at"),
    *("attempt", "max_attempts", "delivery", "trigger", "replay_of", "count", "unique_key"),
    *("payload", "result", "metadata", "error_type", "error_message"),
)


class ExportFormat(StrEnum):
    """What kind of file."""

    CSV = "csv"
    JSONL = "jsonl"


MEDIA_TYPES = {ExportFormat.CSV: "text/csv; charset=utf-8; header=present", ExportFormat.JSONL: "application/x-ndjson"}


def write_export(executions: Iterable[Execution], kind: ExportFormat) -> Iterator[bytes]:
    """Yield a file of ``executions`` in parts, UTF-8."""
    lines = _csv_lines(executions) if kind is ExportFormat.CSV else _json_lines(executions)
    parts: list[bytes] = []
    size = 0
    for line in lines:
        parts.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


def _json_lines(executions: Iterable[Execution]) -> Iterator[bytes]:
    for one in executions:
        yield _to_json(one.to_document()) + b"\n"


def _csv_lines(executions: Iterable[Execution]) -> Iterator[bytes]:
    """Yield lines of RFC 4180, the first with the names of the columns."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in _rows(executions):
        writer.writerow(row)
        # What isn't Unicode, half of a surrogate pair in a payload, must not end the file.
        yield text.getvalue().encode(errors="replace")
        text.seek(0)
        text.truncate()


def _rows(executions: Iterable[Execution]) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for one in executions:
        document = one.to_document()
        error = document["error"] or {}
        document |= {"error_type": error.get("type"), "error_message": error.get("message")}
        yield [write_cell(document[name]) for name in COLUMNS]


def write_cell(value: Any) -> str:
    """Return a value as a cell: texts as they are, the rest as JSON, and nothing that is taken for a formula.

    Before one that would be, a ' is put.
    """
    if value is None or value == {}:
        return ""
    text = value if isinstance(value, str) else _to_json(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _to_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Integers beyond 64 bits, halves of a surrogate pair: what code enqueues may hold them.
        return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


__all__ = ["COLUMNS", "MEDIA_TYPES", "ExportFormat", "write_cell", "write_export"]
