"""The author's side: ``@helper`` turns a function into a helper."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, overload

from helperhub.errors import InvalidHelper
from helperhub.model.helper import DEFAULT_QUEUE, HelperSpec, Overlap
from helperhub.model.limits import Rate, build_limits
from helperhub.model.retry import RetryPolicy
from helperhub.model.schedule import Schedule
from helperhub.plugins.secret_fields import find_secret_fields

if TYPE_CHECKING:
    import dramatiq

#: ``ctx`` stays Any here: `Context` is generic over the author's settings model.
HelperFunction = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Declaration:
    """Everything ``@helper`` was told, before a hub has seen it.

    Args:
        spec: The part that can be stored; its schedules are checked when a hub takes it in.
        schedule: As the author wrote it: one, several by name, the dict of the HTTP API, or None.
        settings: Pydantic model for ``ctx.settings``, or None.
        payload_model: Pydantic model that payloads must fit, or None.
        throws: Exceptions that are never retried.
    """

    spec: HelperSpec
    schedule: Schedule | Mapping[str, Any] | None = None
    settings: type[Any] | None = None
    payload_model: type[Any] | None = None
    throws: tuple[type[BaseException], ...] = field(default=())


class Helper:
    """A function that HelperHub schedules and runs; calling it calls the function.

    ``send`` and its kin work as on any Dramatiq actor, once a hub has taken the helper in.
    """

    def __init__(self, function: HelperFunction, declaration: Declaration) -> None:
        """Wrap ``function``, which takes one argument, the `Context`.

        Raises:
            InvalidHelper: ``function`` doesn't take exactly one argument.
        """
        if len(inspect.signature(function).parameters) != 1:
            message = f"Helper '{declaration.spec.name}' must take exactly one argument, the context."
            raise InvalidHelper(message, hint=f"Write 'def {function.__name__}(ctx): ...'.")
        functools.update_wrapper(self, function)
        self.function = function
        self.declaration = declaration

    @property
    def name(self) -> str:
        """The helper's name, also its actor's."""
        return self.declaration.spec.name

    @property
    def actor(self) -> dramatiq.Actor[..., Any]:
        """The Dramatiq actor of the process's broker.

        Raises:
            dramatiq.ActorNotFound: No hub has taken this helper in.
        """
        import dramatiq  # noqa: PLC0415 - declaring a helper must not cost the import

        return dramatiq.get_broker().get_actor(self.name)

    def __call__(self, context: Any) -> Any:
        """Call the function at once, here, with no queue."""
        return self.function(context)

    def send(self, payload: Any = None) -> dramatiq.Message[Any]:
        """Enqueue an execution with ``payload`` and return its message."""
        return self.actor.send(payload)

    def send_with_options(self, payload: Any = None, **options: Any) -> dramatiq.Message[Any]:
        """Enqueue an execution with Dramatiq's message options, such as ``delay=5000`` (ms)."""
        return self.actor.send_with_options(args=(payload,), **options)

    def message(self, payload: Any = None) -> dramatiq.Message[Any]:
        """Build a message without sending it, to compose: without a payload it takes the result before it."""
        return self.message_with_options(payload)

    def message_with_options(self, payload: Any = None, **options: Any) -> dramatiq.Message[Any]:
        """Build a message with Dramatiq's message options, without sending it."""
        return self.actor.message_with_options(args=() if payload is None else (payload,), **options)

    def __repr__(self) -> str:
        """Return ``Helper('weather')``."""
        return f"Helper({self.name!r})"


@overload
def helper(function: HelperFunction) -> Helper: ...


@overload
def helper(
    *,
    name: str | None = ...,
    schedule: Schedule | Mapping[str, Any] | None = ...,
    queue: str = ...,
    priority: int = ...,
    expires_after: timedelta | None = ...,
    retry: RetryPolicy | None = ...,
    time_limit: timedelta | None = ...,
    overlap: Overlap | str = ...,
    concurrency: int | None = ...,
    concurrency_key: str | None = ...,
    concurrency_per_key: int | None = ...,
    rate: Rate | str | None = ...,
    rate_per_key: Rate | str | None = ...,
    enabled: bool = ...,
    payload: Any = ...,
    payload_model: type[Any] | None = ...,
    callback: str | None = ...,
    settings: type[Any] | None = ...,
    throws: type[BaseException] | tuple[type[BaseException], ...] = ...,
    description: str | None = ...,
) -> Callable[[HelperFunction], Helper]: ...


def helper(  # noqa: PLR0913 - the author's whole vocabulary in one place
    function: HelperFunction | None = None,
    *,
    name: str | None = None,
    schedule: Schedule | Mapping[str, Any] | None = None,
    queue: str = DEFAULT_QUEUE,
    priority: int = 3,
    expires_after: timedelta | None = None,
    retry: RetryPolicy | None = None,
    time_limit: timedelta | None = None,
    overlap: Overlap | str = Overlap.SKIP,
    concurrency: int | None = None,
    concurrency_key: str | None = None,
    concurrency_per_key: int | None = None,
    rate: Rate | str | None = None,
    rate_per_key: Rate | str | None = None,
    enabled: bool = True,
    payload: Any = None,
    payload_model: type[Any] | None = None,
    callback: str | None = None,
    settings: type[Any] | None = None,
    throws: type[BaseException] | tuple[type[BaseException], ...] = (),
    description: str | None = None,
) -> Helper | Callable[[HelperFunction], Helper]:
    """Declare a helper: a function of one argument, its `Context`.

    Args:
        function: The function, when used without parentheses.
        name: Helper's and actor's name; default: the function's, underscores as dashes.
        schedule: When it runs by itself: one schedule, several by name, or the dict of the HTTP API
            (``{"type": "daily", "time": "07:30"}``); None runs it only when asked.
        queue: ``high``, ``default``, ``low`` or a name of your own.
        priority: 1 (first) to 5 within its queue.
        expires_after: An execution isn't started later than its due time plus this; None means 1 hour for
            one that is scheduled, and never for any other.
        retry: When a failed attempt is followed by another.
        time_limit: How long one attempt may take; None means its queue's.
        overlap: ``skip``, ``queue`` or ``allow`` while an earlier execution is still active.
        concurrency: Most executions that run at once, all instances and worker processes together; None is no limit.
        concurrency_key: Field of the payload whose values have limits of their own, such as ``"city"``.
        concurrency_per_key: Most executions of one value that run at once.
        rate: Most starts in any window, such as ``"100/m"`` or ``"5/10m"``; a retry is a start too.
        rate_per_key: Most starts of one value.
        enabled: Whether its schedules are planned from the start.
        payload: What scheduled executions are given; JSON.
        payload_model: Pydantic model that payloads must fit; ``ctx.payload`` is then an instance.
        callback: URL that gets a signed POST with each execution's document when it ends; see docs/howto/callbacks.md.
        settings: Pydantic model for ``ctx.settings``, filled from ``HELPERHUB_<PLUGIN>__*``.
        throws: Exceptions that are never retried.
        description: One line for people; default: the docstring's first.

    Raises:
        InvalidHelper: A value is out of range, or the function doesn't take one argument.
    """

    def declare(function: HelperFunction) -> Helper:
        spec = HelperSpec(
            name=name or function.__name__.replace("_", "-"),
            queue=queue,
            priority=priority,
            expires_after=expires_after,
            retry=retry or RetryPolicy(),
            time_limit=time_limit,
            overlap=_overlap(overlap),
            limits=build_limits(
                concurrency=concurrency,
                concurrency_key=concurrency_key,
                concurrency_per_key=concurrency_per_key,
                rate=rate,
                rate_per_key=rate_per_key,
            ),
            enabled=enabled,
            payload=payload,
            secret_fields=find_secret_fields(payload_model),
            callback=callback,
            description=description or (inspect.getdoc(function) or "").partition("\n")[0],
        )
        thrown = throws if isinstance(throws, tuple) else (throws,)
        return Helper(function, Declaration(spec, schedule, settings, payload_model, thrown))

    return declare if function is None else declare(function)


def _overlap(value: Overlap | str) -> Overlap:
    try:
        return Overlap(value)
    except ValueError as error:
        message = f"overlap='{value}' is not an overlap policy."
        raise InvalidHelper(message, hint="Take 'skip', 'queue' or 'allow'.") from error
