"""Time limits: the soft one is an exception in the actor call, the hard one ends its process. Fails closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from dramatiq import Actor, Broker
from dramatiq.middleware import Middleware, TimeLimitExceeded

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.middleware.actor_calls import ActorCall, ActorCalls
from helperhub.middleware.retries import SpecOf


class TimeLimits(Middleware):
    """Raises `TimeLimitExceeded` in an actor call that runs longer than its limit.

    The limit is the message's ``time_limit`` (ms, Dramatiq's option), else that of its helper or
    instance, else its actor's, else its queue's. The exception can't interrupt a sleep, a socket or
    C code: what still runs some time after its limit is ended from outside, with its process (see
    `ActorCalls` and the keeper).
    """

    def __init__(self, limit_of: Callable[[str], timedelta], spec_of: SpecOf) -> None:
        """Ask ``limit_of`` for the limit of a queue, and ``spec_of`` for what holds for an instance."""
        self._limit_of = limit_of
        self._spec_of = spec_of

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may set."""
        return {"time_limit"}

    def limit_s(self, message: ClaimedMessage, actor: Actor[..., Any]) -> float:
        """Return the seconds that one attempt may take."""
        spec = self._spec_of(message.record.helper)
        limit_ms = message.options.get("time_limit")
        if limit_ms is None and spec is not None and spec.time_limit is not None:
            return spec.time_limit.total_seconds()
        limit_ms = limit_ms or actor.options.get("time_limit")
        if limit_ms is None:
            return self._limit_of(message.record.queue).total_seconds()
        return float(limit_ms) / 1000

    def watcher(self, calls: ActorCalls) -> Callable[[Sequence[ActorCall], float], None]:
        """Return what strikes the calls that run too long."""

        def look(running: Sequence[ActorCall], now: float) -> None:
            for call in running:
                if now >= call.started_at + call.limit_s:
                    calls.strike(call, TimeLimitExceeded)

        return look

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Say in the exception how long it might have run; the traceback of where it struck stays."""
        del broker, result
        claimed = as_claimed(message)
        if claimed is not None and isinstance(exception, TimeLimitExceeded):
            exception.args = exception.args or (f"ran longer than its time limit of {claimed.time_limit_s:g} s",)
