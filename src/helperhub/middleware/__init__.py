"""Policies around every attempt, one a file. Their order, and why, stands here and nowhere else.

Dramatiq calls ``before_*`` from the first to the last and ``after_*`` from the last to the first. A
policy leaves its verdict on the message; ``ack`` and ``nack`` hand it to the settler. Whatever must
fail closed raises `SkipMessage` with a verdict set, for any other exception in a ``before_`` hook is
logged by Dramatiq **and the actor still runs**.

| # | policy      | why it stands there                                                                | fails  |
|---|-------------|------------------------------------------------------------------------------------|--------|
| 0 | Tracing     | around all of it; its after-hook sees the final verdict. Only with an endpoint     | open   |
| 1 | LogContext  | outermost: every line of every other policy carries the ids; tells the outcome last | open   |
| 2 | Start       | nothing below may see an execution that isn't to run: gone back, cancelled, expired | closed |
| 3 | SentryReports | only with a DSN; told by the final verdict of all below, and of what Start lets through | open |
| 4 | History     | its after-hook sees the final verdict; writes result and error                      | open   |
| 5 | DeadLetters | sees that Retries gave up; adds the failure notice to the verdict                   | open   |
| 6 | Callbacks   | told by the final verdict; DeadLetters sees that a callback couldn't be enqueued    | closed |
| 7 | Pipelines   | a success whose successor can't be enqueued is none: Callbacks must see that        | closed |
| 8 | Groups      | likewise: a member counts only if its group's callbacks can be enqueued             | closed |
| 9 | Retries     | decides between retry and dead once everything inside it has raised                 | closed |
| 10 | Shutdown   | turns an interruption into "handed back" before Retries would count an attempt      | open   |
| 11 | Cancellation | turns what it interrupted into "cancelled" before Retries would retry it         | open   |
| 12 | TimeLimits | says in the exception which limit it was, before anybody writes it down             | closed |
| 13 | ActorCalls | wraps the actor call itself, so that no interruption can strike any policy          | closed |
| 14 | CurrentMessage, AsyncActors, Results | Dramatiq's own: message at hand, async actors, results | open |

A user's own middleware is appended after these: its ``after_`` hooks run before all of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dramatiq.middleware as dramatiqs
from dramatiq.middleware import CurrentMessage, Middleware
from dramatiq.results import Results

from helperhub.middleware.actor_calls import ActorCalls
from helperhub.middleware.async_actors import AsyncActors
from helperhub.middleware.callbacks import Callbacks
from helperhub.middleware.cancellation import Cancellation
from helperhub.middleware.dead_letters import DeadLetters
from helperhub.middleware.groups import Groups
from helperhub.middleware.history import History, RecordsBackend
from helperhub.middleware.log_context import LogContext
from helperhub.middleware.pipelines import Pipelines
from helperhub.middleware.retries import Retries, SpecOf
from helperhub.middleware.sentry_reports import SentryReports
from helperhub.middleware.shutdown import Shutdown
from helperhub.middleware.start import Start
from helperhub.middleware.time_limits import TimeLimits
from helperhub.middleware.tracing import Tracing

if TYPE_CHECKING:
    from helperhub.telemetry.traces import Traces

__all__ = ["STANDS_FOR", "Policies", "build_middleware"]

#: Dramatiq's middleware to the policy in its place: what ``add_middleware(before=..., after=...)`` means by it.
STANDS_FOR: Mapping[type[Middleware], type[Middleware]] = {
    dramatiqs.AgeLimit: Start,
    dramatiqs.Callbacks: Callbacks,
    dramatiqs.Pipelines: Pipelines,
    dramatiqs.Retries: Retries,
    dramatiqs.TimeLimit: TimeLimits,
}


@dataclass(frozen=True, slots=True)
class Policies:
    """What the policies need from outside.

    Args:
        records: Where results are read back, for ``message.get_result()``.
        max_result: Largest result, bytes.
        time_limit_of: A queue's time limit, for actors that name none.
        spec_of: What holds for a helper or instance, None for what the catalogue doesn't have.
        cancelled_of: Tells which of these running executions somebody asked to stop.
        cancel_grace_s: Seconds that a cancelled execution has to end by itself.
        hard_after_s: Seconds after soft limit or interruption when its process is killed.
        on_given_up: Told of each dead letter; returns what is enqueued with the verdict.
        queue_of: The queue of a helper that this process doesn't have; None if nobody has it.
        open_group: Begins to count a group's members: its id, its size, ms it is kept.
        log_fields: Sets the log context of this thread; an empty mapping clears it.
        take_over_log: Makes Dramatiq's command write the fields of log records.
        traces: Makes spans; None where nobody collects them.
        sentry: Tells Sentry of attempts; None where there is no Sentry.
    """

    records: RecordsBackend
    max_result: int
    time_limit_of: Callable[[str], timedelta]
    spec_of: SpecOf
    cancelled_of: Callable[[Sequence[str]], list[bool]]
    cancel_grace_s: float
    hard_after_s: float
    on_given_up: Callable[[Any], list[Any]]
    queue_of: Callable[[str], str | None]
    open_group: Callable[[str, int, int], object]
    log_fields: Callable[[dict[str, Any]], None]
    take_over_log: Callable[[], None]
    traces: Traces | None = None
    sentry: SentryReports | None = None


def build_middleware(policies: Policies) -> list[Middleware]:
    """Return all policies in the order of this module's table."""
    limits = TimeLimits(policies.time_limit_of, policies.spec_of)
    cancellation = Cancellation(
        policies.cancelled_of, grace_s=policies.cancel_grace_s, hard_after_s=policies.hard_after_s
    )
    calls = ActorCalls(limits.limit_s, hard_after_s=policies.hard_after_s)
    calls.watch(limits.watcher(calls))
    calls.watch(cancellation.watcher(calls))
    return [
        *([Tracing(policies.traces)] if policies.traces is not None else []),
        LogContext(policies.log_fields, policies.take_over_log),
        Start(),
        *([policies.sentry] if policies.sentry else []),
        History(max_result=policies.max_result),
        DeadLetters(policies.on_given_up),
        Callbacks(policies.queue_of),
        Pipelines(),
        Groups(policies.open_group),
        Retries(policies.spec_of),
        Shutdown(),
        cancellation,
        limits,
        calls,
        CurrentMessage(),
        AsyncActors(),
        # Dramatiq's worker looks for this very class before it lets a function return something.
        Results(backend=policies.records, store_results=True),
    ]
