"""The immutable part of an execution's message: the envelope, as JSON, and the body that carries it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from helperhub.errors import CorruptRecord, InvalidPayload

#: Versions of a body: its JSON as it is, or sealed.
PLAIN_BODY, SEALED_BODY = b"\x01", b"\x02"
#: An archived payload whose only name this is: what stands there is the sealed body, in base64.
SEALED = "$sealed"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The immutable part of an execution's message, signed together with id, helper and expiry.

    Args:
        args: Positional arguments of the actor.
        kwargs: Keyword arguments of the actor.
        options: Dramatiq's message options, without those HelperHub keeps in the record.
        expires_ms: The record's place as it was when this was signed; 0 where it never expires.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    expires_ms: int = 0

    @property
    def payload(self) -> Any:
        """What the execution was given: a helper's one argument, else all of the arguments."""
        if self.kwargs:
            return {"args": list(self.args), "kwargs": self.kwargs}
        if len(self.args) > 1:
            return list(self.args)
        return self.args[0] if self.args else None


def write_envelope(envelope: Envelope) -> bytes:
    """Return the envelope as JSON, empty parts left out.

    Raises:
        InvalidPayload: An argument isn't JSON.
    """
    parts: dict[str, Any] = {}
    if envelope.args:
        parts["a"] = envelope.args
    if envelope.kwargs:
        parts["k"] = envelope.kwargs
    if envelope.options:
        parts["o"] = envelope.options
    if envelope.expires_ms:
        parts["x"] = envelope.expires_ms
    return to_json(parts, what="The arguments") if parts else b""


def read_envelope(text: bytes) -> Envelope:
    """Return the envelope that `write_envelope` wrote.

    Raises:
        CorruptRecord: ``text`` can't be decoded.
    """
    try:
        parts = orjson.loads(text or b"{}")
        args, kwargs = tuple(parts.get("a", ())), dict(parts.get("k", {}))
        return Envelope(args, kwargs, dict(parts.get("o", {})), int(parts.get("x", 0)))
    except (ValueError, TypeError, AttributeError) as error:
        message = f"An envelope can't be decoded: {error}."
        raise CorruptRecord(message) from error


def is_sealed(body: bytes) -> bool:
    """Return whether only who has the key can read a record's body."""
    return body[:1] == SEALED_BODY


def pack_body(version: bytes, signature: bytes, content: bytes) -> bytes:
    """Return a body: version, the signature's length, the signature (empty: unsigned), what it holds."""
    return version + len(signature).to_bytes(1) + signature + content


def split_body(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Return version, signature and content of a body.

    Raises:
        CorruptRecord: This release doesn't know its version, or it is cut off.
    """
    version = body[:1]
    if version not in (PLAIN_BODY, SEALED_BODY) or len(body) < 2:
        message = f"An envelope has version {version!r}; this release reads {PLAIN_BODY!r} and {SEALED_BODY!r}."
        raise CorruptRecord(message)
    start = 2 + body[1]
    # Cut off within its signature it would read as a call without arguments.
    if len(body) < start:
        message = "An envelope can't be decoded: it is cut off."
        raise CorruptRecord(message)
    return version, body[2:start], body[start:]


def to_json(value: Any, *, what: str) -> bytes:
    """Return ``value`` as JSON.

    Args:
        value: Anything.
        what: Its name, for the error.

    Raises:
        InvalidPayload: It isn't JSON: sets, bytes, dates, numbers over 64 bits and the like.
    """
    option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
    with contextlib.suppress(TypeError):
        return orjson.dumps(value, option=option)
    try:
        # Slower: numbers as keys become texts, as with the standard library.
        return orjson.dumps(value, option=option | orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        message = f"{what} can't be written as JSON: {error}."
        raise InvalidPayload(message, hint="Send numbers, texts, booleans, lists and dicts.") from error


__all__ = [
    "PLAIN_BODY",
    "SEALED_BODY",
    "Envelope",
    "pack_body",
    "read_envelope",
    "split_body",
    "to_json",
    "write_envelope",
]
