"""Records of schema 1 that can't be read are said to be so."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import msgpack
import pytest

from helperhub.errors import CorruptRecord
from helperhub.store.record import unpack_record

FIXTURE = Path(__file__).parents[2] / "integration" / "upgrade" / "hub_of_schema_1.json"


def records() -> list[bytes]:
    commands = [[base64.b64decode(word) for word in row] for row in json.loads(FIXTURE.read_text())["commands"]]
    return [words[2] for words in commands if words[0] == b"SET" and b":x:" in words[1]]


def test_record_that_is_cut_off_is_said_to_be_no_record() -> None:
    raw = records()[0]

    for length in range(1, len(raw)):
        with pytest.raises(CorruptRecord):
            unpack_record(raw[:length])


@pytest.mark.parametrize("place", range(25))
def test_record_with_a_value_of_another_type_is_said_to_be_no_record(place: int) -> None:
    values = msgpack.unpackb(records()[0][1:], raw=True)
    token = 13  # nobody reads it any more
    values[place] = None

    if place == token:
        unpack_record(b"\x01" + msgpack.packb(values))
        return
    with pytest.raises(CorruptRecord):
        unpack_record(b"\x01" + msgpack.packb(values))
