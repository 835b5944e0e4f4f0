"""Check-ins of scheduled executions and transactions of attempts, for Sentry. Only there with a DSN; fails open.

Nothing is sent from here: the SDK's own thread does that.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.model.verdict import DONE, Outcome
from helperhub.telemetry.check_ins import Attempt, CheckIns, CheckInStatus, send_transaction

#: How an attempt's end ends its check-in; what isn't here goes on: it is retried, or goes back to its queue.
_STATUS: dict[Outcome, CheckInStatus] = {
    Outcome.DONE: "ok",
    Outcome.DEAD: "error",
    Outcome.CANCELLED: "error",
    Outcome.SKIPPED: "error",
}
_WENT_BACK = frozenset({Outcome.RETURNED, Outcome.INTERRUPTED})


class SentryReports(Middleware):
    """Tells Sentry when a scheduled execution starts and how it ends, and of every attempt's times."""

    def __init__(self, check_ins: CheckIns | None, *, traces_sample_rate: float) -> None:
        """Tell monitors by ``check_ins``, if any, and send a share of the attempts, 0.0 to 1.0."""
        self._check_ins = check_ins
        self._sample_rate = traces_sample_rate

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """Tell that a scheduled execution starts; of a later attempt too, so that its time begins anew."""
        del broker
        claimed = as_claimed(message)
        if claimed is not None and claimed.record.planned_ms and self._check_ins is not None:
            self._check_ins.send(claimed.execution_id, "in_progress")

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Tell how it ended, unless it goes on."""
        del result, exception
        claimed = as_claimed(message)
        if claimed is None or not claimed.started_at:
            return
        ran = timedelta(seconds=time.monotonic() - claimed.started_at)
        outcome = (claimed.verdict or DONE).outcome
        status = _STATUS.get(outcome)
        if status is not None and claimed.record.planned_ms and self._check_ins is not None:
            self._check_ins.send(claimed.execution_id, status, duration=ran)
        if self._sample_rate and outcome not in _WENT_BACK:
            send_transaction(_describe(broker, claimed, outcome, ran), sample_rate=self._sample_rate)

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        """Tell that what somebody's middleware left out after its start didn't run."""
        del broker
        claimed = as_claimed(message)
        left_out = claimed is not None and (claimed.verdict or DONE).outcome is Outcome.SKIPPED
        if claimed is not None and left_out and claimed.record.planned_ms and self._check_ins is not None:
            self._check_ins.send(claimed.execution_id, "error")


def build_reports(check_ins: CheckIns | None, traces_sample_rate: float) -> SentryReports | None:
    """Return the policy, or None where it would tell nothing."""
    if check_ins is None and not traces_sample_rate:
        return None
    return SentryReports(check_ins, traces_sample_rate=traces_sample_rate)


def _describe(broker: Broker, message: ClaimedMessage, outcome: Outcome, ran: timedelta) -> Attempt:
    record, waited_ms = message.record, 0
    if isinstance(broker, HelperHubBroker) and broker.claimer is not None:
        waited_ms = max(0, broker.claimer.epoch_ms(message.started_at) - record.due_ms)
    return Attempt(
        execution_id=message.execution_id,
        helper=record.helper,
        queue=record.queue,
        attempt=record.attempt,
        outcome=outcome.value,
        failed=outcome is not Outcome.DONE,
        ran=ran,
        waited=timedelta(milliseconds=waited_ms),
    )
