"""What follows when an execution is given up: whoever wants to know is told, once. Fails open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.middleware.history import describe_error
from helperhub.model.verdict import Outcome
from helperhub.store.scripts import Publication


class DeadLetters(Middleware):
    """Adds the failure notice to the verdict, so that the settle script enqueues it with the outcome.

    A notice is an execution like any other: recorded, retried and visible. It rides in the verdict,
    so a worker that dies in between can neither lose nor double it.
    """

    def __init__(self, notices_of: Callable[[ClaimedMessage], list[Publication]]) -> None:
        """Ask ``notices_of`` what is to be enqueued with a dead letter."""
        self._notices_of = notices_of

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Add the notices if Retries gave up."""
        del broker, result
        claimed = as_claimed(message)
        if claimed is None or claimed.verdict is None or claimed.verdict.outcome is not Outcome.DEAD:
            return
        if exception is not None:
            claimed.error = describe_error(exception, claimed)
        claimed.follow_ups.extend(self._notices_of(claimed))
        claimed.told = True
