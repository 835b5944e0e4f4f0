"""What follows from a verdict: it rides along to the settle script, which enqueues it once or not at all."""

from __future__ import annotations

from typing import Any

from dramatiq import Broker, Message

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.message import ClaimedMessage
from helperhub.errors import HelperHubError
from helperhub.model.execution import AttemptError
from helperhub.model.verdict import Outcome, Verdict
from helperhub.store.scripts import Publication


def has_succeeded(message: ClaimedMessage, exception: BaseException | None) -> bool:
    """Return whether ``message`` is done, as far as the policies inside have decided."""
    verdict = message.verdict
    return exception is None and not message.failed and (verdict is None or verdict.outcome is Outcome.DONE)


def build_follow_up(
    broker: Broker, claimed: ClaimedMessage, message: Message[Any], *, delay: int | None = None
) -> Publication:
    """Return what enqueues ``message`` together with the verdict on ``claimed``.

    Raises:
        HelperHubError: An option, the payload or the broker can't be used.
    """
    if not isinstance(broker, HelperHubBroker):
        text = f"{broker!r} isn't HelperHub's."
        raise HelperHubError(text)
    broker.emit_before("enqueue", message, delay)
    publication = broker.follow_up(claimed, message, delay=delay)
    broker.emit_after("enqueue", message, delay)
    return publication


def refuse_success(claimed: ClaimedMessage, what: str, error: Exception) -> None:
    """Make a dead letter of an attempt that succeeded, but whose successor or callback can't be enqueued.

    To drop it in silence would be to lose work: so a person sees it, and a replay runs both.
    """
    reason = f"it returned, but its {what} can't be enqueued: {error}".partition("\n")[0][:300]
    claimed.verdict = Verdict(Outcome.DEAD, reason=reason)
    claimed.error = AttemptError(type=type(error).__name__, message=reason, attempt=claimed.record.attempt)
    claimed.follow_ups.clear()
    claimed.group = None
    claimed.fail()
