"""Callbacks of actors and messages: they ride in the verdict, so each is enqueued once. Fails closed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from dramatiq import Broker, Message
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Middleware

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.broker.publishing import FOR_EVER
from helperhub.errors import NotFound
from helperhub.middleware.follow_ups import build_follow_up, has_succeeded, refuse_success
from helperhub.middleware.history import text_of
from helperhub.model.verdict import Outcome
from helperhub.trust.redaction import redact_text

_log = logging.getLogger("helperhub.callbacks")


class Callbacks(Middleware):
    """Enqueues ``on_success`` with message and result; ``on_failure`` and ``on_retry_exhausted`` when given up.

    Dramatiq's own fires ``on_failure`` after every failed attempt. Here a failure is an execution that
    is given up: attempts that are followed by another are none.
    """

    def __init__(self, queue_of: Callable[[str], str | None]) -> None:
        """Ask ``queue_of`` for the queue of a helper that this process doesn't have; None if nobody has it."""
        self._queue_of = queue_of

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may set."""
        return {"on_failure", "on_success", "on_retry_exhausted"}

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Put the callbacks into the verdict."""
        claimed = as_claimed(message)
        if claimed is None:
            return
        if has_succeeded(claimed, exception):
            try:
                self._enqueue(broker, claimed, "on_success", claimed.asdict, result)
            except Exception as error:  # noqa: BLE001 - users' hooks run in there too
                refuse_success(claimed, "on_success", error)
        if claimed.verdict is not None and claimed.verdict.outcome is Outcome.DEAD:
            self._give_up(broker, claimed, exception)

    def _give_up(self, broker: Broker, claimed: ClaimedMessage, exception: BaseException | None) -> None:
        attempts = claimed.record.attempt

        def sent() -> dict[str, Any]:
            document = claimed.asdict()
            return {**document, "options": {**document["options"], "retries": attempts}}

        bound = claimed.record.max_attempts
        told: dict[str, Any] = {"on_failure": _describe(claimed, exception)}
        if claimed.exhausted:
            told["on_retry_exhausted"] = {
                "retries": attempts - 1,
                "max_retries": None if bound >= FOR_EVER else bound - 1,
            }
        for option, about in told.items():
            try:
                self._enqueue(broker, claimed, option, sent, about)
            except Exception as error:  # noqa: BLE001 - users' hooks run in there too
                # It is given up anyway; what isn't told must be seen.
                _log.error("callback_refused", extra={"callback": option, "error": str(error)})

    def _enqueue(
        self, broker: Broker, claimed: ClaimedMessage, option: str, sent: Callable[[], dict[str, Any]], about: Any
    ) -> None:
        target = claimed.options.get(option) or _actor_options(broker, claimed).get(option)
        if not target:
            return
        queue = broker.actors[target].queue_name if target in broker.actors else self._queue_of(target)
        if queue is None:
            text = f"no actor is named '{target}'"
            raise NotFound(text)
        callback: Message[Any] = Message(queue, target, (sent(), about), {}, {})
        claimed.follow_ups.append(build_follow_up(broker, claimed, callback))


def _actor_options(broker: Broker, claimed: ClaimedMessage) -> dict[str, Any]:
    try:
        return broker.get_actor(claimed.actor_name).options
    except ActorNotFound:
        return {}


def _describe(claimed: ClaimedMessage, exception: BaseException | None) -> dict[str, str]:
    if exception is not None:
        return {"type": type(exception).__name__, "message": redact_text(text_of(exception), claimed.secret_texts)}
    error = claimed.error
    return {"type": error.type if error else "", "message": error.message if error else ""}
