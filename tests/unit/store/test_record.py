"""Packed records and envelopes: they read back, keep what is newer, and say what can't be read."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import CorruptRecord, InvalidPayload, UsageError
from helperhub.model.execution import AttemptError, Status, Trigger
from helperhub.store.body import PLAIN_BODY, Envelope, pack_body, read_envelope, to_json, write_envelope
from helperhub.store.record import (
    CODE_BY_STATUS,
    MAX_ERROR_BYTES,
    MAX_MS,
    NUMBERS_BYTES,
    Record,
    expiry_ms,
    pack,
    pack_error,
    pack_record,
    read_execution,
    read_plain_body,
    unpack_record,
)

TEXTS = st.text(max_size=30)
BYTES = st.binary(max_size=30)
MS = st.integers(0, MAX_MS)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
RECORDS = st.builds(
    Record,
    status=st.sampled_from(sorted(CODE_BY_STATUS.values())),
    helper=TEXTS,
    queue=TEXTS,
    priority=st.integers(1, 5),
    planned_ms=MS,
    due_ms=MS,
    started_ms=MS,
    expires_ms=st.integers(-(2**40), MAX_MS),
    key=TEXTS,
    unique=TEXTS,
    reason=TEXTS,
    trigger=st.sampled_from([trigger.value for trigger in Trigger]),
    body=BYTES,
    result=BYTES,
    errors=st.lists(BYTES, max_size=3),
    metadata=BYTES,
    count=st.integers(1, 10**6),
    called=st.booleans(),
)


@given(RECORDS)
def test_record_reads_back(record: Record) -> None:
    assert unpack_record(pack_record(record)) == record


@given(RECORDS, st.lists(JSON, max_size=3))
def test_record_with_places_of_a_newer_release_can_be_read(record: Record, more: list[Any]) -> None:
    record.reason = record.reason or "so that there is a tail"
    raw = pack_record(record)
    start = NUMBERS_BYTES
    for _ in range(5):
        start += 1 + raw[start]
    end = start + 4 + struct.unpack_from("<I", raw, start)[0]
    constants, tail = msgpack.unpackb(raw[start + 4 : end], raw=True), msgpack.unpackb(raw[end:], raw=True)

    known = constants if record.called else [*constants, b""]
    newer = pack([*known, *more])
    newer_raw = raw[:start] + struct.pack("<I", len(newer)) + newer + pack([*tail, *more])

    assert unpack_record(newer_raw) == record


@given(st.binary(max_size=200))
def test_anything_else_is_said_to_be_no_record(raw: bytes) -> None:
    with pytest.raises(CorruptRecord):
        unpack_record(raw)


@given(RECORDS, st.data())
def test_record_that_was_cut_off_is_said_to_be_no_record(record: Record, data: st.DataObject) -> None:
    record.reason = ""
    record.result = b""
    record.errors = []
    raw = pack_record(record)

    with pytest.raises(CorruptRecord):
        unpack_record(raw[: data.draw(st.integers(0, len(raw) - 1))])


@pytest.mark.parametrize(
    "change",
    [{"call": 7}, {"errors": b"x"}, {"errors": [1]}, {"body": 1}, {"result": 1}, {"metadata": None}],
    ids=str,
)
def test_record_with_a_value_of_another_type_is_said_to_be_no_record(change: dict[str, Any]) -> None:
    record = Record()
    for name, value in change.items():
        setattr(record, name, value)

    with pytest.raises(CorruptRecord):
        unpack_record(pack_record(record))


def test_name_of_more_than_255_bytes_is_refused() -> None:
    assert unpack_record(pack_record(Record(key="x" * 255))).key == "x" * 255
    with pytest.raises(UsageError, match="256 bytes, 255 are allowed"):
        pack_record(Record(key="x" * 256))


def test_numbers_too_large_for_a_record_become_the_largest() -> None:
    record = unpack_record(pack_record(Record(expires_ms=2**60, due_ms=2**60, max_attempts=2**40)))

    assert (record.expires_ms, record.due_ms, record.max_attempts) == (MAX_MS, MAX_MS, 2**32 - 1)


@given(args=st.lists(JSON, max_size=3), kwargs=st.dictionaries(TEXTS, JSON, max_size=3))
def test_envelope_reads_back(args: list[Any], kwargs: dict[str, Any]) -> None:
    envelope = Envelope(tuple(args), kwargs, {"pipe": 1})

    assert read_envelope(write_envelope(envelope)) == envelope


def test_empty_envelope_is_two_bytes() -> None:
    body = pack_body(PLAIN_BODY, b"", write_envelope(Envelope()))

    assert len(body) == 2
    assert read_plain_body("id", Record(body=body)) == Envelope()


@pytest.mark.parametrize(
    "raw", [b"\x01", b"\x03\x00{}", b"\x02\x00{}", b"\x01\x00{", b"\x01\x00[1]", b"\x01\x09{}", b'\x01\x00{"x":"x"}']
)
def test_anything_else_is_said_to_be_no_envelope(raw: bytes) -> None:
    with pytest.raises(CorruptRecord):
        read_plain_body("id", Record(body=raw))


@pytest.mark.parametrize(
    ("envelope", "payload"),
    [
        (Envelope(), None),
        (Envelope(({"a": 1},)), {"a": 1}),
        (Envelope((1, 2)), [1, 2]),
        (Envelope((1,), {"b": 2}), {"args": [1], "kwargs": {"b": 2}}),
    ],
)
def test_payload_is_a_helpers_one_argument_or_all_of_an_actors(envelope: Envelope, payload: Any) -> None:
    assert envelope.payload == payload


def test_numbers_as_keys_become_texts_as_with_the_standard_library() -> None:
    assert to_json({1: {True: None, 2.5: "x"}}, what="The arguments") == b'{"1":{"true":null,"2.5":"x"}}'


@pytest.mark.parametrize("value", [{1, 2}, b"x", datetime(2026, 1, 1, tzinfo=UTC), 2**64, {(1,): 2}, 1j], ids=ascii)
def test_what_isnt_json_is_refused_with_its_name(value: Any) -> None:
    with pytest.raises(InvalidPayload, match="The arguments can't be written as JSON"):
        to_json(value, what="The arguments")


@given(message=st.text(st.characters(), max_size=20_000), traceback=st.text(st.characters(), max_size=20_000))
def test_packed_error_is_short_and_readable_whatever_it_says(message: str, traceback: str) -> None:
    packed = pack_error(AttemptError("OSError", message, traceback, 3, datetime(2026, 1, 1, tzinfo=UTC)))

    assert len(packed) <= MAX_ERROR_BYTES
    assert orjson.loads(packed)["a"] == 3


def test_error_of_escapes_only_is_short_too() -> None:
    assert len(pack_error(AttemptError("E" * 500, "\x00" * 50_000, "\x00" * 50_000))) <= MAX_ERROR_BYTES


def test_long_traceback_keeps_its_beginning_and_its_end() -> None:
    packed = orjson.loads(pack_error(AttemptError("E", "m", "first\n" + "x" * 20_000 + "\nlast")))

    assert packed["b"].startswith("first")
    assert packed["b"].endswith("last")
    assert "[...]" in packed["b"]


def test_execution_says_what_its_record_holds() -> None:
    error = AttemptError("OSError", "no", attempt=1, at=datetime(2026, 1, 1, tzinfo=UTC))
    body = pack_body(PLAIN_BODY, b"", write_envelope(Envelope(({"a": 1},))))
    record = Record("e", "tidy", errors=[pack_error(error)], body=body, result=b"[1]", metadata=b'{"app":"x"}')

    execution = read_execution("id", record)

    assert (execution.status, execution.payload, execution.result) == (Status.ERROR, {"a": 1}, [1])
    assert (execution.errors, execution.metadata, execution.started_at) == ((error,), {"app": "x"}, None)


def test_payload_that_cant_be_read_is_said_to_be_so() -> None:
    assert "unreadable" in read_execution("id", Record(body=b"\x09")).payload


def test_expiry_counts_from_the_due_time_or_from_the_one_that_a_script_gives() -> None:
    due = datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)

    assert expiry_ms(due, timedelta(seconds=5)) == 15_000
    assert expiry_ms(None, timedelta(seconds=5)) == -5_000
    assert expiry_ms(due, None) == 0
