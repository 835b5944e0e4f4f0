"""Dramatiq's consumer of one queue: it gives verdicts back, and takes what no thread can run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dramatiq import Consumer, MessageProxy
from dramatiq.errors import ActorNotFound

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.broker.sharded_worker import AnyClaimer, AnySettler
from helperhub.broker.unknown import decide_unknown
from helperhub.model.duration import to_ms
from helperhub.model.verdict import DONE, Outcome, Verdict
from helperhub.store.record import pack_error
from helperhub.store.scripts import Settlement


class HelperHubConsumer(Consumer):
    """Has its queue claimed from, and settles for the worker's threads, which take messages from the intake.

    What comes to itself is what no thread can run.
    """

    def __init__(
        self,
        claimer: AnyClaimer,
        settler: AnySettler,
        queue_name: str,
        *,
        timeout_ms: int,
        knows: Callable[[str], bool],
    ) -> None:
        """Serve ``queue_name``.

        Args:
            claimer: What claims for this worker process.
            settler: Where verdicts go.
            queue_name: The queue.
            timeout_ms: How long one look waits for a message.
            knows: Tells whether the catalogue has a helper whose actor isn't here.
        """
        self._knows = knows
        self._claimer = claimer
        self._settler = settler
        self._queue_name = queue_name
        self._timeout_s = timeout_ms / 1000
        claimer.serve(queue_name)

    def __next__(self) -> MessageProxy | None:
        """Return the next message that no thread can run, or None when none came in time."""
        self._claimer.intake.open(self._queue_name)
        return self._claimer.intake.take_unusual(self._timeout_s)

    def ack(self, message: MessageProxy) -> None:
        """Hand the verdict to the settler; without one the attempt succeeded. Never raises."""
        claimed = _expect_claimed(message)
        # Dramatiq logs an exception in a hook and goes on: a failure that no policy judged must not pass for done.
        failed = claimed._exception is not None  # noqa: SLF001 - Dramatiq's own field has no reader
        self._settle(
            claimed, Verdict(Outcome.DEAD, reason="failed, and so did its policies: see the log") if failed else DONE
        )

    def nack(self, message: MessageProxy) -> None:
        """Hand the verdict to the settler; without one it is a dead letter. Never raises."""
        claimed = _expect_claimed(message)
        if isinstance(claimed._exception, ActorNotFound):  # noqa: SLF001 - Dramatiq's own field has no reader
            now_ms = self._claimer.epoch_ms(claimed.claimed_at)
            claimed.verdict = decide_unknown(claimed, registered=self._knows(claimed.record.helper), now_ms=now_ms)
        self._settle(claimed, Verdict(Outcome.DEAD, reason="rejected"))

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Hand back what was claimed and not started; the claimer knows which those are."""
        del messages
        self._claimer.return_unstarted()

    def _settle(self, message: ClaimedMessage, otherwise: Verdict) -> None:
        if message.returned:
            self._claimer.release(message)
            return
        verdict = message.verdict or otherwise
        started_ms = self._claimer.epoch_ms(message.started_at) if message.started_at else 0
        self._settler.add(
            Settlement(
                id=message.execution_id,
                claim=message.claim,
                outcome=verdict.outcome.value,
                started_ms=started_ms,
                delay_ms=to_ms(verdict.delay) if verdict.delay else 0,
                reason=verdict.reason,
                result=message.result,
                error=pack_error(message.error) if message.error else b"",
                follow_ups=tuple(message.follow_ups),
                group=message.group,
                told=message.told,
                shard=message.shard,
            )
        )
        self._claimer.release(message)


def _expect_claimed(message: MessageProxy) -> ClaimedMessage:
    claimed = as_claimed(message)
    if claimed is None:
        text = f"{message!r} was not claimed from this broker"
        raise TypeError(text)
    return claimed
