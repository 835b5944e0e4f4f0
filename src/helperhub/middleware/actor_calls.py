"""Running actor calls, and how an exception is raised in one of them and nowhere else.

An asynchronous exception (``PyThreadState_SetAsyncExc``) strikes a thread wherever it is. So each
actor's function is wrapped: only between the wrapper's two ends may it strike, never in a policy.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dramatiq import Actor, Broker
from dramatiq.middleware import CurrentMessage, Middleware
from dramatiq.middleware.threading import Interrupt, raise_thread_exception

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.message import ClaimedMessage, as_claimed

_log = logging.getLogger("helperhub.actor_calls")
_INTERVAL_S = 0.25


@dataclass(slots=True)
class ActorCall:
    """One call of an actor's function that runs now.

    Args:
        message: What it was called with.
        thread: Where it runs.
        started_at: Monotonic seconds.
        limit_s: Its soft time limit.
        kill_at: When its process is to be killed for it, monotonic seconds.
        asked_at: When it was first seen that somebody wants it stopped, monotonic seconds; 0.0 means nobody does.
        struck: What was raised in it, if anything.
    """

    message: ClaimedMessage
    thread: int
    started_at: float
    limit_s: float
    kill_at: float
    asked_at: float = 0.0
    struck: type[Interrupt] | None = None


class ActorCalls(Middleware):
    """Wraps every actor; a watching thread shows the running calls to whoever may interrupt them."""

    def __init__(
        self,
        limit_of: Callable[[ClaimedMessage, Actor[..., Any]], float],
        *,
        hard_after_s: float,
    ) -> None:
        """Prepare; the watching thread starts with the first call.

        Args:
            limit_of: Tells the soft time limit of a message, seconds.
            hard_after_s: Seconds after the soft limit when the process is killed for it.
        """
        self._limit_of = limit_of
        self._hard_after_s = hard_after_s
        self._watchers: list[Callable[[Sequence[ActorCall], float], None]] = []
        self._lock = threading.Lock()
        self._running: dict[int, ActorCall] = {}
        self._some_run = threading.Event()
        self._watching: threading.Thread | None = None
        self._broker: HelperHubBroker | None = None

    def watch(self, watcher: Callable[[Sequence[ActorCall], float], None]) -> None:
        """Call ``watcher`` four times a second with the running calls and the monotonic time."""
        self._watchers.append(watcher)

    def after_declare_actor(self, broker: Broker, actor: Actor[..., Any]) -> None:
        """Wrap the actor's function."""
        function = actor.fn
        self._broker = broker if isinstance(broker, HelperHubBroker) else None

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            claimed = as_claimed(CurrentMessage.get_current_message())
            if claimed is None:
                return function(*args, **kwargs)
            claimed.time_limit_s = self._limit_of(claimed, actor)
            return self._call(functools.partial(function, *args, **kwargs), claimed)

        actor.fn = guarded

    def strike(self, call: ActorCall, exception: type[Interrupt]) -> bool:
        """Raise ``exception`` in a call; False if it is over. It strikes when Python code runs there again."""
        with self._lock:
            if self._running.get(call.thread) is not call or call.struck is not None:
                return False
            call.struck = exception
            raise_thread_exception(call.thread, exception)
            return True

    def kill_at(self, call: ActorCall, at: float) -> None:
        """Have the process killed at ``at``, monotonic seconds, if the call still runs then."""
        with self._lock:
            board = self._broker.board if self._broker is not None else None
            if board is not None and self._running.get(call.thread) is call and at < call.kill_at:
                call.kill_at = at
                board.kill_at(at, thread=call.thread)

    def _call(self, call: Callable[[], Any], message: ClaimedMessage) -> Any:
        thread, now = threading.get_ident(), time.monotonic()
        running = ActorCall(message, thread, now, message.time_limit_s, now + message.time_limit_s + self._hard_after_s)
        if self._broker is not None and self._broker.board is not None:
            self._broker.board.kill_at(running.kill_at)
        with self._lock:
            self._running[thread] = running
            if not self._some_run.is_set():
                self._some_run.set()
            if self._watching is None:
                self._watching = threading.Thread(target=self._watch, name="helperhub-actor-calls", daemon=True)
                self._watching.start()
        try:
            return call()
        finally:
            with self._lock:
                del self._running[thread]
                if running.struck is not None:
                    # It may have struck as the call returned: it must not hit the policies that follow.
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None)

    def _watch(self) -> None:
        while True:
            self._some_run.wait()  # a quiet worker process is to sleep
            time.sleep(_INTERVAL_S)
            with self._lock:
                running = list(self._running.values())
                if not running:
                    self._some_run.clear()
            for watcher in self._watchers if running else ():
                try:
                    watcher(running, time.monotonic())
                except Exception:  # noqa: BLE001 - without this thread no limit would hold any more
                    _log.exception("watcher_failed")
