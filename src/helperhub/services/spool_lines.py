"""What a line of the spool says: who asked for which executions."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from helperhub.model.access import Principal
from helperhub.model.duration import to_ms
from helperhub.model.execution import Trigger
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.services.enqueueing import EnqueueOptions
from helperhub.trust.encryption import Cipher

_BOUND = b"spool"


@dataclass(frozen=True, slots=True)
class Order:
    """One execution that somebody outside asks for; see `Enqueueing.one`."""

    helper: str
    payload: Any
    options: EnqueueOptions


@dataclass(frozen=True, slots=True)
class SpoolLine:
    """A line, its orders still unread: each may be beyond understanding by itself.

    Args:
        parts: What `read_order` takes.
        who: Who asked, for the audit; None where that isn't noted.
        is_batch: They were asked for by one request for many.
    """

    parts: Sequence[bytes]
    who: Principal | None = None
    is_batch: bool = False


def write_line(cipher: Cipher, orders: Sequence[Order], who: Principal | None, *, is_batch: bool) -> bytes:
    """Return ``orders`` as one line: all of them are safe on disk, or none is.

    Args:
        cipher: Seals what they are given, where the hub encrypts.
        orders: What was asked for, each with an id.
        who: Who asked, if that is to be noted in the audit.
        is_batch: They were asked for by one request for many.
    """
    named = {} if who is None else {"who": {"name": who.name, "note": who.note}}
    written = [_write_order(cipher, order) for order in orders]
    return orjson.dumps({"batch": written, **named} if is_batch else {**written[0], **named})


def read_line(line: bytes) -> SpoolLine:
    """Return what `write_line` wrote; of what can't be read a line of one part, which can't be read either."""
    try:
        entry = orjson.loads(line)
        named = entry.get("who")
        who = None if named is None else Principal(str(named["name"]), note=str(named["note"]))
        if "batch" not in entry:
            return SpoolLine([line], who)
        return SpoolLine([orjson.dumps(part) for part in entry["batch"]], who, is_batch=True)
    except (ValueError, KeyError, TypeError, AttributeError):
        return SpoolLine([line])


def read_order(cipher: Cipher, part: bytes) -> Order:
    """Return one order of a line.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It can't be read.
        ConfigurationError, UntrustedRecord: It can't be opened.
    """
    entry: Mapping[str, Any] = orjson.loads(part)
    helper, order = entry["helper"], entry.get("order")
    if order is None:
        order = orjson.loads(cipher.open(helper, base64.b64decode(entry["sealed"]), _BOUND))
    options = EnqueueOptions(
        at=from_ms(order["at_ms"]),
        priority=order["priority"],
        id=order["id"],
        expires_after=_span(order["expires_after_ms"]),
        metadata=order["metadata"],
        trigger=Trigger(order["trigger"]),
        wait=timedelta(0),
        unique_key=order["unique_key"],
        unique_for=_span(order["unique_for_ms"]),
        callback=order.get("callback"),
    )
    return Order(helper, order["payload"], options)


def _write_order(cipher: Cipher, wanted: Order) -> dict[str, Any]:
    options = wanted.options
    at = options.at or datetime.now(UTC) + (options.delay or timedelta(0))
    order: dict[str, Any] = {
        "id": options.id,
        "payload": wanted.payload,
        "at_ms": epoch_ms(at),
        "priority": options.priority,
        "expires_after_ms": None if options.expires_after is None else to_ms(options.expires_after),
        "metadata": dict(options.metadata or {}),
        "trigger": options.trigger.value,
        "unique_key": options.unique_key,
        "unique_for_ms": None if options.unique_for is None else to_ms(options.unique_for),
        "callback": options.callback,
    }
    if not cipher.enabled:
        return {"helper": wanted.helper, "order": order}
    sealed = cipher.seal(wanted.helper, orjson.dumps(order), _BOUND)
    return {"helper": wanted.helper, "sealed": base64.b64encode(sealed).decode()}


def _span(ms: int | None) -> timedelta | None:
    return None if ms is None else timedelta(milliseconds=ms)


__all__ = ["Order", "SpoolLine", "read_line", "read_order", "write_line"]
