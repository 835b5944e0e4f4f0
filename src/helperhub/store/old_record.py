"""A record as schema 1 had it: a byte of format version, then one msgpack array.

Scripts write it anew whenever they touch it (`lua/parts/record.lua`); this reads what they haven't.
Schema 2 reads it, schema 3 won't: then this module goes.
"""

from __future__ import annotations

from typing import Any

import msgpack

FORMAT = b"\x01"
_PLACES = (
    *("status", "helper", "queue", "priority", "planned_ms", "due_ms", "enqueued_ms", "started_ms", "finished_ms"),
    *("expires_ms", "attempt", "max_attempts", "delivery", "token", "reason", "trigger", "replay_of", "body", "result"),
    *("errors", "metadata", "call", "overlap", "count", "lost"),
)
_TEXTS = frozenset({"status", "helper", "queue", "reason", "trigger", "replay_of", "call", "overlap"})
_BYTES = frozenset({"body", "result", "metadata"})


def read_places(raw: bytes) -> dict[str, Any]:
    """Return the places of a record of schema 1 by their names in `Record`.

    Raises:
        ValueError: ``raw`` isn't one.
    """
    try:
        places = dict(zip(_PLACES, msgpack.unpackb(raw[1:], raw=True), strict=False))
        del places["token"]
        for name in _TEXTS:
            places[name] = places[name].decode()
    except (TypeError, KeyError, AttributeError, msgpack.UnpackException) as error:
        raise ValueError(str(error)) from error
    errors = places["errors"]
    numbers = [value for name, value in places.items() if name not in _TEXTS | _BYTES | {"errors"}]
    right = all(type(places[name]) is bytes for name in _BYTES) and all(type(number) is int for number in numbers)
    if not right or type(errors) is not list or any(type(error) is not bytes for error in errors):
        message = "a value is of another type"
        raise ValueError(message)
    return places
