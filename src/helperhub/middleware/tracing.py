"""A span for each execution that is enqueued here, and one around each attempt. Fails open.

Only there where HELPERHUB_OTEL_ENDPOINT is set. The attempt's parent is the span that enqueued its execution, whose
name rides in the message's options, under its signature: attempts are siblings.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dramatiq import Broker, Message
from dramatiq.middleware import Middleware

from helperhub.broker.message import as_claimed
from helperhub.model.execution import AttemptError
from helperhub.model.verdict import DONE, Outcome
from helperhub.telemetry.told import CARRIED, Told

if TYPE_CHECKING:
    from helperhub.broker.message import ClaimedMessage
    from helperhub.telemetry.traces import Attempt, Traces

_FAILED = frozenset({Outcome.RETRY, Outcome.DEAD})


class Tracing(Middleware):
    """Makes the spans of enqueueing and running."""

    def __init__(self, traces: Traces) -> None:
        """Make them with ``traces``."""
        self._traces = traces
        self._here = threading.local()

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        """Note on the message which span enqueues it; one that it had is another sending's."""
        del broker, delay
        instance = message.options.get("instance")
        helper = f"{message.actor_name}/{instance}" if instance else message.actor_name
        told = Told(message.message_id, helper, message.queue_name)
        message.options[CARRIED] = self._traces.enqueued(told)

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """Begin the attempt's span."""
        del broker
        claimed = as_claimed(message)
        if claimed is not None:
            record = claimed.record
            self._here.attempt = self._traces.attempt(
                Told(claimed.execution_id, record.helper, record.queue),
                claimed.options.get(CARRIED),
                attempt=record.attempt,
                delivery=record.delivery,
            )

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """End it, by the final verdict."""
        del broker, result, exception
        claimed, attempt = as_claimed(message), self._take()
        if claimed is not None and attempt is not None:
            outcome = "returned" if claimed.returned else (claimed.verdict or DONE).outcome.value
            attempt.end(outcome, _error_of(claimed))

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        """End that of an execution that wasn't started after all."""
        self.after_process_message(broker, message)

    def _take(self) -> Attempt | None:
        found: Attempt | None = getattr(self._here, "attempt", None)
        self._here.attempt = None
        return found


def _error_of(claimed: ClaimedMessage) -> AttemptError | None:
    """Return why the attempt failed, redacted as the history has it; None if it didn't."""
    verdict = claimed.verdict
    if verdict is None or verdict.outcome not in _FAILED:
        return None
    return claimed.error or AttemptError("Failed", verdict.reason)
