"""What becomes of running attempts when the worker process stops. Fails open."""

from __future__ import annotations

from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Shutdown as ShutdownRaised
from dramatiq.middleware import ShutdownNotifications

from helperhub.broker.message import as_claimed
from helperhub.model.verdict import Outcome, Verdict


class Shutdown(ShutdownNotifications):
    """Hands an attempt back that the stopping worker interrupted: no attempt is used up.

    Actors with ``notify_shutdown=True`` get Dramatiq's `Shutdown` exception at once; all others may
    finish until the shutdown time-out, after which the process ends and their lease brings them back.
    """

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Leave the verdict "handed back" on what was interrupted."""
        super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]
        claimed = as_claimed(message)
        if claimed is not None and isinstance(exception, ShutdownRaised):
            claimed.verdict = Verdict(Outcome.INTERRUPTED, reason="interrupted: its worker stopped")

    after_skip_message = ShutdownNotifications.after_skip_message
