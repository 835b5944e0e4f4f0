"""The soft time limit: an exception raised in the actor call, and only there. Fails closed."""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dramatiq import Actor, Broker
from dramatiq.middleware import CurrentMessage, Middleware, TimeLimitExceeded
from dramatiq.middleware.threading import raise_thread_exception

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.middleware.retries import SpecOf

_INTERVAL_S = 0.25


class TimeLimits(Middleware):
    """Arms a deadline around each actor call; a watching thread raises `TimeLimitExceeded` in it.

    The limit is the message's ``time_limit`` (ms, Dramatiq's option), else that of its helper or
    instance, else its actor's, else its queue's. It
    can't interrupt a sleep, a socket or C code; it strikes when Python code runs again.
    """

    def __init__(self, limit_of: Callable[[str], timedelta], spec_of: SpecOf) -> None:
        """Ask ``limit_of`` for the limit of a queue, and ``spec_of`` for what holds for an instance."""
        self._limit_of = limit_of
        self._spec_of = spec_of
        self._lock = threading.Lock()
        self._deadlines: dict[int, float] = {}
        self._struck: set[int] = set()
        self._watcher: threading.Thread | None = None

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may set."""
        return {"time_limit"}

    def after_declare_actor(self, broker: Broker, actor: Actor[..., Any]) -> None:
        """Wrap the actor's function, so that no policy's code is ever under the limit."""
        del broker
        function = actor.fn

        @functools.wraps(function)
        def limited(*args: Any, **kwargs: Any) -> Any:
            claimed = as_claimed(CurrentMessage.get_current_message())
            if claimed is None:
                return function(*args, **kwargs)
            claimed.time_limit_s = self.limit_s(claimed, actor)
            return self._call(functools.partial(function, *args, **kwargs), claimed.time_limit_s)

        actor.fn = limited

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

    def _call(self, call: Callable[[], Any], limit_s: float) -> Any:
        thread = threading.get_ident()
        with self._lock:
            self._deadlines[thread] = time.monotonic() + limit_s
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="helperhub-time-limits", daemon=True)
                self._watcher.start()
        try:
            return call()
        except TimeLimitExceeded as error:
            # The same exception goes on, with the traceback of where it struck and notes that were added.
            error.args = error.args or (f"ran longer than its time limit of {limit_s:g} s",)
            raise
        finally:
            with self._lock:
                self._deadlines.pop(thread, None)
                if thread in self._struck:
                    self._struck.discard(thread)
                    # It may have struck as the call returned: it must not hit the policies that follow.
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None)

    def _watch(self) -> None:
        while True:
            time.sleep(_INTERVAL_S)
            now = time.monotonic()
            with self._lock:
                for thread in [t for t, deadline in self._deadlines.items() if deadline <= now]:
                    del self._deadlines[thread]
                    self._struck.add(thread)
                    raise_thread_exception(thread, TimeLimitExceeded)
