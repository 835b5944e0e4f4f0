"""What an execution was given, bound to it: signed, and sealed where there is a key for that.

The signature covers hub, execution id, helper with instance, trigger, planned time and the body's
bytes, sealed ones as they are. The expiry stands in the body, for a script works out the record's.
What the scripts change (queue, due time, attempts) isn't covered: see docs/decisions/0011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helperhub.errors import UntrustedRecord
from helperhub.model.limit_key import digest_of, key_of
from helperhub.store.body import PLAIN_BODY, SEALED_BODY, Envelope, pack_body, read_envelope, split_body, write_envelope
from helperhub.store.record import Record
from helperhub.trust.encryption import Cipher, sealed_with
from helperhub.trust.signing import MAC_BYTES, Signatures

_PURPOSE = "envelope"
_EMPTY = pack_body(PLAIN_BODY, b"", b"")


@dataclass(frozen=True, slots=True)
class KeysOf:
    """The ids of the keys that a body names; empty where it isn't signed or sealed."""

    signed: str
    sealed: str


class Envelopes:
    """Packs and opens the bodies of one hub's executions."""

    def __init__(self, signatures: Signatures, cipher: Cipher) -> None:
        """Sign and check with ``signatures``, seal and open with ``cipher``."""
        self.signatures = signatures
        self.cipher = cipher

    def require_key(self) -> None:
        """Refuse to go on without a key, unless signing is switched off.

        Raises:
            ConfigurationError: There is none.
        """
        self.signatures.require()

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
        version = PLAIN_BODY
        if self.cipher.enabled:
            version, text = SEALED_BODY, self.cipher.seal(record.helper, text, execution_id.encode())
        signature = self.signatures.sign(_PURPOSE, record.helper, *_bound(execution_id, record, version, text))
        return pack_body(version, signature, text)

    def limit_key(self, payload: Any, name: str | None) -> str:
        """Return what limits per key count an execution by: the field ``name`` of its payload; empty if it has none.

        Where payloads are encrypted it is a digest: those of one value are known to be of one value, and no more.
        """
        key = key_of(payload, name) if name else ""
        return digest_of(key) if key and self.cipher.enabled else key

    def open(self, execution_id: str, record: Record) -> Envelope:
        """Return what an execution was given, if its record is what somebody with a key enqueued.

        Raises:
            UntrustedRecord: It isn't, or it can't be decrypted; the message says why.
            CorruptRecord: It can't be decoded.
        """
        envelope = read_envelope(self._open_content(execution_id, record))
        _check_expiry(envelope, record)
        return envelope

    def read(self, execution_id: str, record: Record) -> Envelope:
        """Return what stands in a record, for people to look at; no signature is checked.

        Raises:
            CorruptRecord: It can't be decoded, or decrypted.
        """
        version, _, content = split_body(record.body or _EMPTY)
        return read_envelope(self._unseal(execution_id, record, version, content))

    def keys_of(self, record: Record) -> KeysOf:
        """Return the ids of the keys that a record's body names.

        Raises:
            CorruptRecord: It can't be decoded.
        """
        version, signature, content = split_body(record.body or _EMPTY)
        signed = signature[MAC_BYTES:].decode("ascii", errors="replace")
        return KeysOf(signed, sealed_with(content) if version == SEALED_BODY else "")

    def renew(self, execution_id: str, record: Record) -> bytes | None:
        """Return the body under the keys in use, or None if it is under these already.

        Raises:
            UntrustedRecord: Nobody with a key wrote it, or it can't be decrypted.
            CorruptRecord: It can't be decoded.
            ConfigurationError: There is no key for its helper.
        """
        keys = self.keys_of(record)
        current = self.signatures.current_id(record.helper)
        if keys.signed == current and self.cipher.is_current(record.helper, keys.sealed):
            return None
        return self.pack_content(execution_id, record, self._open_content(execution_id, record))

    def _open_content(self, execution_id: str, record: Record) -> bytes:
        version, signature, content = split_body(record.body or _EMPTY)
        bound = _bound(execution_id, record, version, content)
        self.signatures.check(signature, _PURPOSE, record.helper, *bound)
        return self._unseal(execution_id, record, version, content)

    def _unseal(self, execution_id: str, record: Record, version: bytes, content: bytes) -> bytes:
        if version == PLAIN_BODY:
            return content
        return self.cipher.open(record.helper, content, execution_id.encode())


def _bound(execution_id: str, record: Record, version: bytes, content: bytes) -> tuple[bytes, ...]:
    planned = b"%d" % record.planned_ms
    return execution_id.encode(), record.trigger.encode(), planned, version, content


def _check_expiry(envelope: Envelope, record: Record) -> None:
    """Refuse an execution that may start later than its writer allowed.

    Below 0 the expiry counts from a due time that only the script knew: then there must be one.
    """
    allowed = envelope.expires_ms
    if (allowed and record.expires_ms < 1) or 0 < allowed < record.expires_ms:
        message = "Its expiry was changed."
        raise UntrustedRecord(message, hint="Whoever wrote it had no key for it.")


__all__ = ["Envelopes", "KeysOf"]
