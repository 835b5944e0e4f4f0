"""Stopping what runs: the helper is asked, then interrupted, then ended with its process. Fails open."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware
from dramatiq.middleware.threading import Interrupt

from helperhub.broker.message import as_claimed
from helperhub.errors import StoreError
from helperhub.middleware.actor_calls import ActorCall, ActorCalls
from helperhub.model.verdict import Outcome, Verdict

_log = logging.getLogger("helperhub.cancellation")
#: What has run for a shorter time isn't looked up: most executions end by themselves before that.
_YOUNG_S = 0.5
_ASK_EVERY_S = 1.0


class Cancelled(Interrupt):
    """Raised in an actor call that somebody cancelled and that didn't end by itself."""


class Cancellation(Middleware):
    """Carries out what ``helperhub executions cancel`` asks of a running execution.

    First ``ctx.cancelled`` turns true. What still runs after the grace gets `Cancelled`, and what still
    runs after the hard limit's time as well is ended with its process.
    """

    def __init__(
        self, cancelled_of: Callable[[Sequence[str]], list[bool]], *, grace_s: float, hard_after_s: float
    ) -> None:
        """Prepare.

        Args:
            cancelled_of: Tells which of these running executions somebody asked to stop.
            grace_s: Seconds that a helper has to end by itself.
            hard_after_s: Seconds after that when its process is killed.
        """
        self._cancelled_of = cancelled_of
        self._grace_s = grace_s
        self._hard_after_s = hard_after_s
        self._ask_at = 0.0

    def watcher(self, calls: ActorCalls) -> Callable[[Sequence[ActorCall], float], None]:
        """Return what looks for cancelled calls and strikes them in time."""

        def look(running: Sequence[ActorCall], now: float) -> None:
            self._ask(calls, [call for call in running if not call.asked_at and now - call.started_at > _YOUNG_S], now)
            for call in running:
                if call.asked_at and now - call.asked_at >= self._grace_s:
                    calls.strike(call, Cancelled)

        return look

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Leave the verdict "cancelled" on what was interrupted for it."""
        del broker, result
        claimed = as_claimed(message)
        if claimed is not None and isinstance(exception, Cancelled):
            claimed.verdict = Verdict(Outcome.CANCELLED, reason="cancelled: interrupted while it ran")

    def _ask(self, calls: ActorCalls, open_calls: Sequence[ActorCall], now: float) -> None:
        if not open_calls or now < self._ask_at:
            return
        self._ask_at = now + _ASK_EVERY_S
        try:
            found = self._cancelled_of([call.message.execution_id for call in open_calls])
        except StoreError as error:  # asked again in a second
            _log.debug("cancel_not_asked", extra={"error": str(error)})
            return
        for call, cancelled in zip(open_calls, found, strict=True):
            if cancelled:
                call.asked_at = now
                call.message.cancelled = True
                calls.kill_at(call, now + self._grace_s + self._hard_after_s)
