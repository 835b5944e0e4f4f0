"""Executions as rows of the archive, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from helperhub.model.execution import AttemptError, Execution, Status, Trigger
from helperhub.model.helper import split_key
from helperhub.model.instant import epoch_ms, from_ms

#: Compared is so much of a value that a caller gave with an execution: an index holds no long ones.
MOST_VALUE = 200

Row = tuple[Any, ...]


class Ended(NamedTuple):
    """An execution that came to its end.

    Args:
        recorded_ms: When Redis recorded that.
        execution: What is known of it.
    """

    recorded_ms: int
    execution: Execution


def execution_row(ended: Ended) -> Row:
    """Return the row of `tables.executions`."""
    recorded_ms, one = ended
    helper, instance, queue = _whose(one.helper, one.queue)
    error = one.errors[-1] if one.errors else None
    return (
        _text(one.id),
        recorded_ms,
        helper,
        instance,
        queue,
        str(one.status),
        one.priority,
        _text(one.reason),
        _ms(one.planned_at),
        _ms(one.due_at),
        _ms(one.enqueued_at),
        _ms(one.started_at),
        _ms(one.finished_at),
        _ms(one.expires_at),
        one.attempt,
        one.max_attempts,
        one.delivery,
        str(one.trigger),
        one.replay_of and _text(one.replay_of),
        one.unique_key and _text(one.unique_key),
        one.count,
        _json(one.payload),
        _json(one.result),
        _json(dict(one.metadata)) if one.metadata else None,
        error and _text(error.type),
        error and _text(error.message),
    )


def attempt_rows(ended: Ended) -> Iterable[Row]:
    """Return the rows of `tables.attempts`: of each attempt that failed, as far as the record has it."""
    last_ms = _ms(ended.execution.finished_at) or ended.recorded_ms
    rows = [
        attempt_row(ended.execution.id, ended.recorded_ms, error, failed_ms=last_ms) for error in ended.execution.errors
    ]
    return {row[:3]: row for row in rows}.values()


def attempt_row(execution_id: str, recorded_ms: int, error: AttemptError, *, failed_ms: int = 0) -> Row:
    """Return the row of one attempt; ``failed_ms`` is for an error that doesn't say when it was."""
    at_ms = _ms(error.at) or failed_ms or recorded_ms
    texts = _text(error.type), _text(error.message), _text(error.traceback)
    return (_text(execution_id), error.attempt, at_ms, recorded_ms, *texts)


def metadata_rows(ended: Ended) -> Iterable[Row]:
    """Yield the rows of `tables.execution_metadata`."""
    id_ = _text(ended.execution.id)
    rows = {
        (metadata_value(name), metadata_value(value), ended.recorded_ms, id_)
        for name, value in ended.execution.metadata.items()
    }
    yield from rows


def metadata_value(value: Any) -> str:
    """Return a name or value as it is compared: as text, cut."""
    return _text(str(value))[:MOST_VALUE]


def read_row(row: Any, errors: Sequence[AttemptError] = ()) -> Execution:
    """Return the execution of a row of `tables.executions` with the errors of its attempts, oldest first."""
    return Execution(
        id=row.id,
        helper=f"{row.helper}/{row.instance}" if row.instance else row.helper,
        queue=row.queue,
        priority=row.priority,
        status=Status(row.status),
        reason=row.reason,
        planned_at=_at(row.planned_ms),
        due_at=_at(row.due_ms),
        enqueued_at=_at(row.enqueued_ms),
        started_at=_at(row.started_ms),
        finished_at=_at(row.finished_ms),
        expires_at=_at(row.expires_ms),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        delivery=row.delivery,
        payload=_load(row.payload),
        result=_load(row.result),
        errors=tuple(errors),
        trigger=Trigger(row.trigger),
        replay_of=row.replay_of,
        metadata=_load(row.metadata) or {},
        count=row.count,
        unique_key=row.unique_key,
    )


def read_attempt(row: Any) -> AttemptError:
    """Return the error of a row of `tables.attempts`."""
    return AttemptError(row.type, row.message, row.traceback, row.attempt, from_ms(row.failed_ms))


@lru_cache(maxsize=16_384)
def _whose(helper: str, queue: str) -> tuple[str, str, str]:
    name, instance = split_key(helper)
    return _text(name), _text(instance or ""), _text(queue)


def _text(text: str) -> str:
    # PostgreSQL holds no zero byte, and nothing but Unicode.
    if not text or (text.isascii() and "\0" not in text):
        return text
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()


def _load(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else epoch_ms(at)


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


__all__ = [
    "Ended",
    "Row",
    "attempt_row",
    "attempt_rows",
    "execution_row",
    "metadata_rows",
    "metadata_value",
    "read_attempt",
    "read_row",
]
