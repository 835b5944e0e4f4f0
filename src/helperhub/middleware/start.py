"""Whether an execution that was handed over is started at all. Fails closed."""

from __future__ import annotations

from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware, SkipMessage

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.message import as_claimed
from helperhub.model.verdict import Outcome, Verdict


class Start(Middleware):
    """Skips what went back to the queue meanwhile, and what expired between claim and start."""

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may set: Dramatiq's age limit is an expiry, which enqueueing works out."""
        return {"max_age"}

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """Note the start.

        Raises:
            SkipMessage: It isn't to run here; the verdict says why.
        """
        claimed = as_claimed(message)
        if claimed is None or not isinstance(broker, HelperHubBroker) or broker.claimer is None:
            return
        if not broker.claimer.begin(claimed):
            text = "went back to its queue before it started"
            raise SkipMessage(text)
        record = claimed.record
        first_start = record.started_ms == 0
        if first_start and 0 < record.expires_ms < broker.claimer.epoch_ms(claimed.started_at):
            claimed.started_at = 0.0
            claimed.verdict = Verdict(Outcome.EXPIRED, reason="not started before its expiry")
            raise SkipMessage(claimed.verdict.reason)

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        """Record as skipped what somebody else's middleware skipped without saying what is to become of it."""
        del broker
        claimed = as_claimed(message)
        if claimed is not None and claimed.verdict is None and not claimed.returned:
            outcome = Outcome.DEAD if claimed.failed else Outcome.SKIPPED
            claimed.verdict = Verdict(outcome, reason="a middleware skipped it")
