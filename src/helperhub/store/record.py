"""The packed record: one execution as Redis holds it, from enqueue to the end of its history.

A record is numbers of a fixed size, which scripts change in place, the first being the format
version; five names, each behind its length; what never changes, as msgpack behind its length; and
what is said of it, msgpack too, which is empty until there is something to say.
`lua/parts/record.lua` must be changed together with this module. Places are only added behind the
others in the last two parts, and whoever writes a record back keeps the places it doesn't know. See
docs/decisions/0001.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgpack
import orjson

from helperhub.errors import CorruptRecord, UsageError
from helperhub.model.execution import AttemptError, Execution, Status, Trigger
from helperhub.model.helper import Overlap
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.store import old_record
from helperhub.store.body import SEALED_BODY, Envelope, read_envelope, split_body

FORMAT = b"\x02"
#: Format, status, delivery, priority, lost, attempt, max_attempts, count, and six times of 48 bits.
_NUMBERS = struct.Struct("<cBIBBIIIIHIHIhIHIHIH")
NUMBERS_BYTES = _NUMBERS.size
_LENGTH = struct.Struct("<I")
_LOW = 0xFFFFFFFF
#: Most bytes of a name, such as a helper's or a key.
MAX_NAME_BYTES = 255
#: The last instant that a record can hold, in the year 6429.
MAX_MS = 2**47 - 1
#: 8 KiB an error (DESIGN, Keys); the traceback gives way first.
MAX_ERROR_BYTES = 8192

_STATUS_BY_CODE = {
    "q": Status.QUEUED,
    "r": Status.RUNNING,
    "w": Status.WAITING,
    "s": Status.SUCCESS,
    "e": Status.ERROR,
    "x": Status.EXPIRED,
    "c": Status.CANCELLED,
    "k": Status.SKIPPED,
}
#: Whether a helper's active executions have to be known: place ``overlap``, empty where it doesn't matter.
CODE_BY_OVERLAP = {Overlap.SKIP: "s", Overlap.QUEUE: "q", Overlap.ALLOW: ""}
CODE_BY_STATUS = {status: code for code, status in _STATUS_BY_CODE.items()}


@dataclass(slots=True)
class Record:
    """The places of a record; times are epoch ms, 0 where there is none.

    ``expires_ms`` below 0 means that many ms after the due time that the script will give it.
    ``key`` is what its concurrency and rate are counted by, ``unique`` the key that it alone may have.
    ``called`` is whether its end is told to a URL; which one, its envelope or its helper says.
    """

    status: str = "q"
    helper: str = ""
    queue: str = "default"
    priority: int = 3
    planned_ms: int = 0
    due_ms: int = 0
    enqueued_ms: int = 0
    started_ms: int = 0
    finished_ms: int = 0
    expires_ms: int = 0
    attempt: int = 1
    max_attempts: int = 1
    delivery: int = 0
    reason: str = ""
    trigger: str = Trigger.CODE.value
    replay_of: str = ""
    body: bytes = b""
    result: bytes = b""
    errors: list[bytes] = field(default_factory=list)
    metadata: bytes = b""
    call: str = ""
    overlap: str = ""
    count: int = 1
    lost: int = 0
    key: str = ""
    unique: str = ""
    called: bool = False


#: Returns the envelope of an execution's record.
ReadBody = Callable[[str, Record], Envelope]


def pack(value: Any) -> bytes:
    """Return ``value`` as msgpack that Redis's ``cmsgpack`` reads: texts and bytes alike as raw.

    What isn't Unicode in a text, such as a file name's undecodable bytes, becomes ``?``.
    """
    packed: bytes = msgpack.packb(value, use_bin_type=False, unicode_errors="replace")
    return packed


def pack_record(record: Record) -> bytes:
    """Return ``record`` as scripts take and keep it.

    Raises:
        UsageError: A name has more than `MAX_NAME_BYTES` bytes.
    """
    r = record
    places = (r.call, r.trigger, r.replay_of, r.metadata, r.body)
    constants = pack((*places, b"1") if r.called else places)
    due, enqueued, expires = min(r.due_ms, MAX_MS), r.enqueued_ms, min(r.expires_ms, MAX_MS)
    started, finished, planned = r.started_ms, r.finished_ms, r.planned_ms
    numbers = _NUMBERS.pack(
        FORMAT,
        ord(r.status),
        r.delivery,
        r.priority,
        r.lost,
        r.attempt,
        min(r.max_attempts, _LOW),
        r.count,
        *(due & _LOW, due >> 32, enqueued & _LOW, enqueued >> 32, expires & _LOW, expires >> 32),
        *(started & _LOW, started >> 32, finished & _LOW, finished >> 32, planned & _LOW, planned >> 32),
    )
    tail = pack((r.reason, r.result, r.errors)) if r.reason or r.result or r.errors else b""
    names = _pack_names(r.helper, r.queue, r.overlap)
    return b"".join((numbers, names, _name(r.key), _name(r.unique), _LENGTH.pack(len(constants)), constants, tail))


@lru_cache(maxsize=1024)
def _pack_names(*texts: str) -> bytes:
    return b"".join(_name(text) for text in texts)


def _name(text: str) -> bytes:
    if not text:
        return b"\0"
    raw = text.encode(errors="replace")
    if len(raw) > MAX_NAME_BYTES:
        message = f"'{text[:40]}...' is too long: it has {len(raw)} bytes, {MAX_NAME_BYTES} are allowed."
        raise UsageError(message)
    return len(raw).to_bytes(1) + raw


def unpack_record(raw: bytes) -> Record:
    """Return the record that ``raw`` holds.

    Raises:
        CorruptRecord: ``raw`` isn't a record of a format this release reads.
    """
    if raw[:1] not in (FORMAT, old_record.FORMAT):
        message = f"A record has format {raw[:1]!r}; this release reads {old_record.FORMAT!r} and {FORMAT!r}."
        raise CorruptRecord(message, hint="A newer release wrote it, or something else did.")
    try:
        return _unpack(raw) if raw[:1] == FORMAT else Record(**old_record.read_places(raw))
    # LookupError: a part of a mapping is a TypeError before Python 3.12, and a KeyError since.
    except (ValueError, TypeError, AttributeError, LookupError, struct.error, msgpack.UnpackException) as error:
        message = f"A record can't be decoded: {error}."
        raise CorruptRecord(message) from error


def _unpack(raw: bytes) -> Record:
    numbers = _NUMBERS.unpack_from(raw)
    _, status, delivery, priority, lost, attempt, max_attempts, count = numbers[:8]
    d0, d1, e0, e1, x0, x1, s0, s1, f0, f1, p0, p1 = numbers[8:]
    names, at = [], NUMBERS_BYTES
    for _ in range(5):
        end = at + 1 + raw[at]
        names.append(raw[at + 1 : end].decode())
        at = end
    helper, queue, overlap, key, unique = names
    end = at + 4 + _LENGTH.unpack_from(raw, at)[0]
    if len(raw) < end:
        message = "it is cut off"
        raise ValueError(message)
    call, trigger, replay_of, metadata, body, *more = msgpack.unpackb(raw[at + 4 : end], raw=True)
    reason, result, errors = msgpack.unpackb(raw[end:], raw=True)[:3] if len(raw) > end else (b"", b"", [])
    if not (type(metadata) is type(body) is type(result) is bytes and type(errors) is list):
        message = "a value is of another type"
        raise TypeError(message)
    if any(type(error) is not bytes for error in errors):
        message = "an error is of another type"
        raise TypeError(message)
    return Record(
        chr(status), helper, queue, priority,
        p0 | p1 << 32, d0 | d1 << 32, e0 | e1 << 32, s0 | s1 << 32, f0 | f1 << 32, x0 | x1 << 32,
        attempt, max_attempts, delivery, reason.decode(), trigger.decode(), replay_of.decode(), body, result, errors,
        metadata, call.decode(), overlap, count, lost, key, unique, more[:1] == [b"1"],
    )  # fmt: skip


def pack_error(error: AttemptError) -> bytes:
    """Return ``error`` as JSON of at most `MAX_ERROR_BYTES`; the traceback's middle gives way."""
    traceback = _cut(error.traceback, MAX_ERROR_BYTES // 2)
    document = {
        "t": _cut(error.type, 200),
        "m": _cut(error.message, MAX_ERROR_BYTES // 4),
        "b": traceback,
        "a": error.attempt,
        "d": epoch_ms(error.at) if error.at else 0,
    }
    packed = orjson.dumps(document)
    if len(packed) > MAX_ERROR_BYTES:  # JSON's escapes made it grow
        packed = orjson.dumps({**document, "b": "", "m": _cut(error.message, 1000)})
    return packed


def read_execution(execution_id: str, record: Record, *, read_body: ReadBody | None = None) -> Execution:
    """Return the execution that a record holds; parts that can't be read are said to be so.

    Args:
        execution_id: Its id.
        record: Its record.
        read_body: Reads sealed bodies too; None reads plain ones.
    """
    try:
        payload = (read_body or read_plain_body)(execution_id, record).payload if record.body else None
    except CorruptRecord as error:
        payload = {"unreadable": error.message}
    return Execution(
        id=execution_id,
        helper=record.helper,
        queue=record.queue,
        priority=record.priority,
        status=_STATUS_BY_CODE[record.status],
        reason=record.reason,
        planned_at=_at(record.planned_ms),
        due_at=_at(record.due_ms),
        enqueued_at=_at(record.enqueued_ms),
        started_at=_at(record.started_ms),
        finished_at=_at(record.finished_ms),
        expires_at=_at(record.expires_ms),
        attempt=record.attempt,
        max_attempts=record.max_attempts,
        delivery=record.delivery,
        payload=payload,
        result=_json(record.result),
        errors=tuple(_error(raw) for raw in record.errors),
        trigger=Trigger(record.trigger),
        replay_of=record.replay_of or None,
        metadata=_json(record.metadata) or {},
        count=record.count,
        unique_key=record.unique or None,
    )


def read_plain_body(execution_id: str, record: Record) -> Envelope:
    """Return the envelope of a body that isn't sealed; whoever runs it must check its signature first.

    Raises:
        CorruptRecord: It is sealed, or can't be decoded.
    """
    version, _, content = split_body(record.body)
    if version == SEALED_BODY:
        message = f"The envelope of '{execution_id}' is encrypted."
        raise CorruptRecord(message, hint="HELPERHUB_ENCRYPTION__KEYS opens it.")
    return read_envelope(content)


def expiry_ms(due_at: datetime | None, expires_after: timedelta | None) -> int:
    """Return the place ``expires_ms`` for an execution due at ``due_at``, or when a script says so."""
    if expires_after is None:
        return 0
    after = expires_after // timedelta(milliseconds=1)
    return -after if due_at is None else epoch_ms(due_at) + after


def read_error(raw: bytes) -> AttemptError | None:
    """Return an error that `pack_error` or a script wrote; None if it is something else."""
    try:
        return _error(raw)
    except (ValueError, TypeError, KeyError):
        return None


def _error(raw: bytes) -> AttemptError:
    parts = orjson.loads(raw)
    return AttemptError(parts["t"], parts["m"], parts["b"], parts["a"], _at(parts["d"]))


def _json(raw: bytes) -> Any:
    return orjson.loads(raw) if raw else None


def _at(ms: int) -> datetime | None:
    return from_ms(ms) if ms > 0 else None


def _cut(text: str, limit: int) -> str:
    raw = text.encode(errors="replace")
    if len(raw) <= limit:
        return raw.decode()
    half = limit // 2
    return raw[:half].decode(errors="ignore") + "\n[...]\n" + raw[-half:].decode(errors="ignore")


__all__ = [
    "CODE_BY_OVERLAP",
    "CODE_BY_STATUS",
    "FORMAT",
    "MAX_MS",
    "MAX_NAME_BYTES",
    "NUMBERS_BYTES",
    "ReadBody",
    "Record",
    "expiry_ms",
    "pack",
    "pack_error",
    "pack_record",
    "read_error",
    "read_execution",
    "read_plain_body",
    "unpack_record",
]
