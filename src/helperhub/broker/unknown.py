"""What becomes of work whose actor this process doesn't have."""

from __future__ import annotations

from datetime import timedelta

from helperhub.broker.message import ClaimedMessage
from helperhub.model.duration import to_ms
from helperhub.model.execution import AttemptError
from helperhub.model.verdict import Outcome, Verdict

#: During a rolling deploy an older worker hands new work back for this long (GROUND, Dramatiq).
PATIENCE = timedelta(minutes=10)
_PAUSE = timedelta(seconds=5)


def decide_unknown(message: ClaimedMessage, *, registered: bool, now_ms: int) -> Verdict:
    """Return the verdict on a message whose actor this process doesn't have.

    It goes back, for another worker may have it, as in a rolling deploy. After `PATIENCE` since it
    was enqueued it is a dead letter, unless the catalogue has its helper: then its plugin couldn't be
    loaded here, and it waits until that is mended or it expires.

    Args:
        message: The message in hand.
        registered: Whether the catalogue has its helper.
        now_ms: Redis TIME.
    """
    waited = now_ms - message.record.enqueued_ms
    if registered or waited < to_ms(PATIENCE):
        return Verdict(Outcome.RETURNED, delay=_PAUSE, reason="no worker has this helper yet")
    message.error = AttemptError(
        type="UnknownHelper",
        message=f"No worker that saw it in {PATIENCE} has an actor named '{message.actor_name}'.",
        attempt=message.record.attempt,
    )
    return Verdict(Outcome.DEAD, reason=f"unknown helper '{message.actor_name}'")
