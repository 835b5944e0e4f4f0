"""What an execution was given, bound to it: signed, and sealed where there is a key for that.

The signature covers hub, execution id, helper with instance, trigger, planned time and the body's
bytes. The expiry stands in the body, for a script works out the record's. What the scripts change
(queue, due time, attempts) isn't covered: see docs/decisions/0011.
"""

from __future__ import annotations

from helperhub.errors import UntrustedRecord
from helperhub.store.record import (
    PLAIN_BODY,
    Envelope,
    Record,
    pack_body,
    read_envelope,
    read_plain_body,
    split_body,
    write_envelope,
)
from helperhub.trust.signing import Signatures

_PURPOSE = "envelope"


class Envelopes:
    """Packs and opens the bodies of one hub's executions."""

    def __init__(self, signatures: Signatures) -> None:
        """Sign and check with ``signatures``."""
        self._signatures = signatures

    def pack(self, execution_id: str, record: Record, envelope: Envelope) -> bytes:
        """Return the body that gives ``envelope`` to an execution, for its record's place.

        Args:
            execution_id: The id it will have; another one's signature doesn't fit.
            record: Its record; helper, trigger, planned time and expiry count.
            envelope: What it is given; its ``expires_ms`` is taken from the record.

        Raises:
            InvalidPayload: An argument isn't JSON.
            ConfigurationError: There is no key for its helper.
        """
        given = Envelope(envelope.args, envelope.kwargs, envelope.options, record.expires_ms)
        return self.pack_content(execution_id, record, write_envelope(given))

    def pack_content(self, execution_id: str, record: Record, text: bytes) -> bytes:
        """Return the body for an envelope that is JSON already; see `pack`."""
        signature = self._signatures.sign(_PURPOSE, record.helper, *_bound(execution_id, record, PLAIN_BODY, text))
        return pack_body(PLAIN_BODY, signature, text)

    def open(self, execution_id: str, record: Record) -> Envelope:
        """Return what an execution was given, if its record is what somebody with a key enqueued.

        Raises:
            UntrustedRecord: It isn't; the message says why.
            CorruptRecord: It can't be decoded.
        """
        if not record.body and not self._signatures.enabled:
            return Envelope()
        version, signature, content = split_body(record.body or pack_body(PLAIN_BODY, b"", b""))
        bound = _bound(execution_id, record, version, content)
        self._signatures.check(signature, _PURPOSE, record.helper, *bound)
        envelope = read_envelope(content)
        _check_expiry(envelope, record)
        return envelope

    def read(self, execution_id: str, record: Record) -> Envelope:
        """Return what stands in a record, for people to look at; nothing is checked.

        Raises:
            CorruptRecord: It can't be decoded.
        """
        return read_plain_body(execution_id, record)


def _bound(execution_id: str, record: Record, version: bytes, content: bytes) -> tuple[bytes, ...]:
    planned = b"%d" % record.planned_ms
    return execution_id.encode(errors="replace"), record.trigger.encode(), planned, version, content


def _check_expiry(envelope: Envelope, record: Record) -> None:
    """Refuse an execution that may start later than its writer allowed.

    Below 0 the expiry counts from a due time that only the script knew: then there must be one.
    """
    allowed = envelope.expires_ms
    if (allowed and record.expires_ms < 1) or 0 < allowed < record.expires_ms:
        message = "Its expiry was changed."
        raise UntrustedRecord(message, hint="Whoever wrote it had no key for it.")


__all__ = ["Envelopes"]
