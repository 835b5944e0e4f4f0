"""Ids on every log line of an attempt, and one line for its outcome. Fails open."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.model.verdict import DONE, Outcome

_log = logging.getLogger("helperhub.execution")
#: A dead letter is kept until somebody acts, and is told by failure notices: for the log it is news, not an alarm.
_LEVELS = dict.fromkeys((Outcome.RETRY, Outcome.DEAD, Outcome.EXPIRED), logging.WARNING)


class LogContext(Middleware):
    """Sets ``execution_id``, ``helper``, ``attempt`` and ``worker_id`` on whatever the attempt logs."""

    def __init__(self, set_fields: Callable[[dict[str, Any]], None], take_over: Callable[[], None]) -> None:
        """Write the log with its fields.

        Args:
            set_fields: Sets this thread's log context; an empty mapping clears it.
            take_over: Makes Dramatiq's command write the fields, if it started this process.
        """
        self._set_fields = set_fields
        self._take_over = take_over

    def after_process_boot(self, broker: Broker) -> None:
        """Have the fields written where Dramatiq's command writes."""
        del broker
        self._take_over()

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """Enter the attempt's context."""
        claimed = as_claimed(message)
        if claimed is not None:
            self._set_fields(
                {
                    "execution_id": claimed.execution_id,
                    "helper": claimed.record.helper,
                    "attempt": claimed.record.attempt,
                    "worker_id": broker.options.worker if isinstance(broker, HelperHubBroker) else "",
                }
            )

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Tell the outcome, and leave the context."""
        del result, exception
        claimed = as_claimed(message)
        if claimed is not None:
            _tell(broker, claimed)
        self._set_fields({})

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        """Tell why it didn't run, and leave the context."""
        self.after_process_message(broker, message)


def _tell(broker: Broker, message: ClaimedMessage) -> None:
    verdict = message.verdict or DONE
    level = _LEVELS.get(verdict.outcome, logging.INFO)
    if not _log.isEnabledFor(level):
        return
    fields: dict[str, Any] = {"outcome": verdict.outcome.value, "delivery": message.record.delivery}
    if message.started_at and isinstance(broker, HelperHubBroker) and broker.claimer is not None:
        started_ms = broker.claimer.epoch_ms(message.started_at)
        fields["queue_time_ms"] = max(0, started_ms - message.record.due_ms)
        fields["execution_time_ms"] = round((time.monotonic() - message.started_at) * 1000, 1)
    if verdict.reason:
        fields["reason"] = verdict.reason
    if verdict.outcome is Outcome.RETRY:
        fields["delay_ms"] = round(verdict.delay.total_seconds() * 1000)
    if message.error is not None and message.error.traceback and verdict.outcome is Outcome.DEAD:
        fields["traceback"] = message.error.traceback
    _log.log(level, "attempt_finished", extra=fields)
