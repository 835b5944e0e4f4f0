"""Pipelines: the next message of a pipeline rides in the verdict of the one before. Fails closed."""

from __future__ import annotations

from typing import Any

from dramatiq import Broker, Message
from dramatiq.middleware import Middleware

from helperhub.broker.message import as_claimed
from helperhub.middleware.follow_ups import build_follow_up, has_succeeded, refuse_success


class Pipelines(Middleware):
    """Enqueues ``pipe_target`` with the result as its last argument, unless ``pipe_ignore`` says no.

    Dramatiq's own enqueues after the function has returned and before its message is acknowledged:
    a worker process that dies in between repeats the function, and then the whole rest of the pipeline.
    """

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may set."""
        return {"pipe_ignore", "pipe_target"}

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Put the next message into the verdict of a success."""
        claimed = as_claimed(message)
        if claimed is None or not has_succeeded(claimed, exception):
            return
        target = claimed.options.get("pipe_target")
        if target is None:
            return
        try:
            following: Message[Any] = Message(**target)
            actor = broker.get_actor(claimed.actor_name)
            if not (following.options.get("pipe_ignore") or actor.options.get("pipe_ignore")):
                following = following.copy(args=(*following.args, result))
            delay = following.options.get("delay")
            claimed.follow_ups.append(build_follow_up(broker, claimed, following, delay=delay))
        except Exception as error:  # noqa: BLE001 - users' hooks run in there too
            refuse_success(claimed, "successor", error)
