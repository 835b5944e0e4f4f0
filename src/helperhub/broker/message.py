"""A claimed execution as Dramatiq's worker sees it: a message, with the claim it is held under."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dramatiq import Message, MessageProxy

from helperhub.broker.options import usable_options
from helperhub.model.execution import AttemptError
from helperhub.model.helper import split_key
from helperhub.model.verdict import Verdict
from helperhub.store.body import Envelope
from helperhub.store.record import Record, unpack_record
from helperhub.store.scripts import MemberDone, Publication
from helperhub.trust.redaction import secret_texts

#: Returns what an execution was given, by its id and record; raises `CorruptRecord` for what mustn't run.
OpenBody = Callable[[str, Record], Envelope]


class ClaimedMessage(MessageProxy):
    """One execution in hand. Policies leave their verdict on it; ``ack`` hands that to the settler.

    Attributes:
        record: What Redis knew at the claim.
        envelope: Its immutable part.
        claim: Number of the claim; a verdict made under an older one is stale.
        claimed_at: Monotonic seconds when the claim arrived here.
        verdict: What the policies decided so far.
        started_at: Monotonic seconds when its function started, 0.0 before.
        result: What the function returned, as JSON.
        error: Why this attempt failed.
        follow_ups: What is enqueued together with the verdict.
        group: What its success means for a group, or None.
        exhausted: It is given up because no attempt was left.
        time_limit_s: How long this attempt may take, once its function is called.
        told: Whoever wants to know that it was given up has been told.
        cancelled: Somebody asked to stop it while it ran.
        shard: The shard it was claimed from.
        returned: It went back to the queue before it started; nothing here may run it.
        secret_fields: Names of fields of its payload that its helper declares secret; known once it is called.
    """

    def __init__(self, execution_id: str, record: Record, envelope: Envelope, *, claim: int, claimed_at: float) -> None:
        """Build the message from ``record`` and what its body was opened to."""
        self.envelope = envelope
        super().__init__(
            Message(
                queue_name=record.queue,
                actor_name=split_key(record.helper)[0],
                args=self.envelope.args,
                kwargs=self.envelope.kwargs,
                options=usable_options(self.envelope.options, record),
                message_id=execution_id,
                message_timestamp=record.enqueued_ms,
            )
        )
        # Where `MessageProxy` would look them up at each use.
        message = self._message
        self.actor_name, self.options = message.actor_name, message.options
        self.args, self.kwargs, self.message_id = message.args, message.kwargs, message.message_id
        self.queue_name = record.queue
        self.execution_id = execution_id
        self.record = record
        self.claim = claim
        self.claimed_at = claimed_at
        self.verdict: Verdict | None = None
        self.started_at = 0.0
        self.result = b""
        self.error: AttemptError | None = None
        self.follow_ups: list[Publication] = []
        self.group: MemberDone | None = None
        self.exhausted = False
        self.time_limit_s = 0.0
        self.told = False
        self.cancelled = False
        self.returned = False
        self.shard = 0
        self.secret_fields: tuple[str, ...] = ()

    @property
    def secret_texts(self) -> list[str]:
        """What its helper declares secret of its payload, as it may stand in an error's text."""
        return secret_texts([self.args, self.kwargs], self.secret_fields) if self.secret_fields else []

    def __str__(self) -> str:
        """Return ``helper (id)``: arguments may be secrets, and this goes into logs."""
        return f"{self.record.helper} ({self.execution_id})"


def open_claim(execution_id: str, raw: bytes, open_body: OpenBody, *, claim: int, claimed_at: float) -> ClaimedMessage:
    """Return the message that a claimed record holds.

    Raises:
        UntrustedRecord: ``open_body`` refuses it: nobody with a key enqueued this.
        CorruptRecord: Record or envelope can't be decoded.
    """
    record = unpack_record(raw)
    return ClaimedMessage(execution_id, record, open_body(execution_id, record), claim=claim, claimed_at=claimed_at)


def as_claimed(message: Any) -> ClaimedMessage | None:
    """Return ``message`` if it is one in hand, else None."""
    return message if isinstance(message, ClaimedMessage) else None
