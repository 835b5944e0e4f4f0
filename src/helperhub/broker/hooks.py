"""Hooks of middleware, the users' own included: none that fails can cost an outcome or a worker thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dramatiq import Broker, BrokerConnectionError, JSONEncoder, Middleware, PickleEncoder
from dramatiq.message import get_encoder
from dramatiq.middleware import (
    AgeLimit,
    AsyncIO,
    Callbacks,
    CurrentMessage,
    GroupCallbacks,
    MiddlewareError,
    Pipelines,
    Retries,
    ShutdownNotifications,
    TimeLimit,
)
from dramatiq.results import Results
from dramatiq.threading import is_gevent_active

from helperhub.errors import HelperHubError, UsageError

_log = logging.getLogger("helperhub.broker")
#: Called in a worker thread, or by a consumer for an unknown actor: what gets out of these ends the thread, and
#: with it the claim of what it holds.
_IN_WORKER_THREADS = frozenset({"process_message", "skip_message", "ack", "nack"})
#: Dramatiq's own whose work is done here without being asked for; added again they would do it twice.
_HERE_ALREADY = (AsyncIO, Callbacks, CurrentMessage, GroupCallbacks, Pipelines)
#: Dramatiq's own whose settings belong elsewhere here.
_ELSEWHERE: Mapping[type[Middleware], str] = {
    AgeLimit: "Give actors max_age, or helpers expires_after.",
    Retries: "Give actors max_retries, min_backoff and max_backoff, or set HELPERHUB_QUEUES__<QUEUE>__MAX_ATTEMPTS.",
    ShutdownNotifications: "Give actors notify_shutdown=True.",
    TimeLimit: "Give actors time_limit, or set HELPERHUB_QUEUES__<QUEUE>__TIME_LIMIT.",
}


#: Hooks of one name with their middleware.
_Hooks = tuple[tuple[Middleware, Callable[..., None]], ...]


class HookedBroker(Broker):
    """Dramatiq's `Broker` with guarded hooks, and a look at the middleware that users add."""

    def __init__(
        self, middleware: Sequence[Middleware], *, stands_for: Mapping[type[Middleware], type[Middleware]]
    ) -> None:
        """Begin with our own middleware.

        Args:
            middleware: The policies, in order.
            stands_for: Dramatiq's middleware that isn't there, to the policy in its place: what
                ``before=`` and ``after=`` mean by it.
        """
        self._complete = False
        self._stands_for = stands_for
        self._hooks: dict[str, _Hooks] = {}
        self._hooks_of: list[Middleware] = []
        super().__init__(middleware=list(middleware))
        self._complete = True

    def add_middleware(
        self,
        middleware: Middleware,
        *,
        before: type[Middleware] | None = None,
        after: type[Middleware] | None = None,
    ) -> None:
        """Add a middleware, by default behind all others.

        Of Dramatiq's own, those whose work is done here already are left out.

        Raises:
            UsageError: It is one of Dramatiq's that would work against HelperHub's own.
            ValueError: ``before`` or ``after`` isn't there.
        """
        if self._complete and _is_here_already(middleware):
            _log.info("middleware_here_already", extra={"middleware": type(middleware).__name__})
            return
        if self._complete:
            _check_middleware(middleware)
        super().add_middleware(
            middleware,
            before=self._stands_for.get(before, before) if before else None,
            after=self._stands_for.get(after, after) if after else None,
        )

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """Call a hook of every middleware; only ``before_process_message`` may stop a message, as in Dramatiq."""
        if signal not in _IN_WORKER_THREADS:
            self._emit_outside(self._find_hooks(f"before_{signal}"), args, kwargs, f"before_{signal}")
            return
        for middleware, hook in self._find_hooks(f"before_{signal}"):
            try:
                hook(self, *args, **kwargs)
            except MiddlewareError:
                if signal == "process_message":
                    raise
                _tell(f"before_{signal}", middleware)
            except BaseException:  # noqa: BLE001 - SystemExit too: no hook decides about the thread
                _tell(f"before_{signal}", middleware)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """Call a hook of every middleware, the last first."""
        if signal not in _IN_WORKER_THREADS:
            self._emit_outside(tuple(reversed(self._find_hooks(f"after_{signal}"))), args, kwargs, f"after_{signal}")
            return
        for middleware, hook in reversed(self._find_hooks(f"after_{signal}")):
            try:
                hook(self, *args, **kwargs)
            except BaseException:  # noqa: BLE001 - as above
                _tell(f"after_{signal}", middleware)

    def _emit_outside(self, hooks: _Hooks, args: Any, kwargs: Any, name: str) -> None:
        """Call hooks as Dramatiq does: its own errors come out, all others are logged."""
        for middleware, hook in hooks:
            try:
                hook(self, *args, **kwargs)
            except MiddlewareError:
                raise
            except Exception:  # noqa: BLE001 - whatever a user's hook raises
                _tell(name, middleware)

    def _find_hooks(self, name: str) -> _Hooks:
        """Return the hooks of this name that do something, with their middleware, in order.

        Dramatiq calls every hook of every middleware, overridden or not: a third of what an execution costs.
        """
        if self._hooks_of != self.middleware:  # somebody added one, in whatever way
            self._hooks_of, self._hooks = list(self.middleware), {}
        found = self._hooks.get(name)
        if found is None:
            hooks = [(middleware, getattr(middleware, name)) for middleware in self.middleware]
            idle = getattr(Middleware, name)
            found = tuple(
                (middleware, hook)
                for middleware, hook in hooks
                if getattr(hook, "__func__", None) is not idle and not _stores_nothing(middleware)
            )
            self._hooks[name] = found
        return found


class WorkerCantStart(HelperHubError, MiddlewareError, BrokerConnectionError):
    """Why a worker can't start: one of the few errors that Dramatiq lets out of a hook, and ends its command with."""

    def __init__(self, error: HelperHubError) -> None:
        """Say what ``error`` says, and end the process with its exit code."""
        super().__init__(error.message, hint=error.hint)
        self.code, self.exit_code = error.code, error.exit_code  # type: ignore[misc]  # each has its own here


def check_threads() -> None:
    """Refuse greenlets: interrupts, leases and the settler need real threads.

    Raises:
        UsageError: gevent has patched the threads.
    """
    if is_gevent_active():
        message = "The worker can't run on gevent's threads."
        raise UsageError(message, hint="Start it with 'dramatiq' or 'helperhub worker', and take async actors.")


def check_encoder() -> None:
    """Refuse an encoder that somebody set with `dramatiq.set_encoder`: it would never be asked.

    Raises:
        UsageError: It isn't Dramatiq's own for JSON.
    """
    encoder = get_encoder()
    if type(encoder) is not JSONEncoder:
        message = f"dramatiq.set_encoder({type(encoder).__name__}()) can't be followed: messages are JSON here."
        raise UsageError(message, hint="Leave it out, and send numbers, texts, booleans, lists and dicts.")


def _stores_nothing(middleware: Middleware) -> bool:
    # Its hooks work out what to store, and for how long, and then its backend does nothing.
    return type(middleware) is Results and bool(getattr(middleware.backend, "stores_nothing", False))


def _is_here_already(middleware: Middleware) -> bool:
    return type(middleware) in _HERE_ALREADY


def _check_middleware(middleware: Middleware) -> None:
    kind = type(middleware)
    if kind.__module__ == "dramatiq.middleware.prometheus":
        message = "Dramatiq's Prometheus middleware can't be added: it listens on a fixed port of every address."
        raise UsageError(message, hint="Take 'helperhub queues list --json', or a middleware of your own.")
    for replaced, hint in _ELSEWHERE.items():
        if isinstance(middleware, replaced):
            message = f"{kind.__name__} can't be added: HelperHub has a policy in place of {replaced.__name__}."
            raise UsageError(message, hint=hint)
    if isinstance(middleware, Callbacks | Pipelines | GroupCallbacks):
        message = f"{kind.__name__} can't be added: what it enqueues rides in the verdict here, and would be doubled."
        raise UsageError(message, hint="Write a Middleware of your own beside it.")
    if isinstance(middleware, Results) and isinstance(middleware.backend.encoder, PickleEncoder):
        message = "A result backend with PickleEncoder can't be added: nothing here is pickled."
        raise UsageError(message, hint="Take its JSONEncoder.")


def _tell(hook: str, middleware: Middleware) -> None:
    _log.exception("hook_failed", extra={"hook": hook, "middleware": type(middleware).__name__})
