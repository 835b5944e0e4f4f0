"""Retry or dead letter. Fails closed: a failed attempt never counts as done."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from dramatiq import Broker
from dramatiq.errors import ActorNotFound, Retry
from dramatiq.middleware import Middleware

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.broker.publishing import FOR_EVER
from helperhub.middleware.history import text_of
from helperhub.model.execution import AttemptError
from helperhub.model.helper import HelperSpec
from helperhub.model.retry import RetryPolicy, backoff
from helperhub.model.verdict import Outcome, Verdict
from helperhub.trust.redaction import redact_text

#: Looks up what holds for a helper or instance; None for what the catalogue doesn't have.
SpecOf = Callable[[str], HelperSpec | None]


class Retries(Middleware):
    """Decides from the exception, the attempt's number and the policy of the helper or instance.

    Knows Dramatiq's options ``max_retries``, ``min_backoff``, ``max_backoff`` (ms), ``throws`` and
    ``retry_when``, and its exception ``Retry``; a helper's `RetryPolicy` comes as the option
    ``retry_policy``.
    """

    def __init__(self, spec_of: SpecOf) -> None:
        """Ask ``spec_of`` for what holds for an instance: its actor is its helper's."""
        self._spec_of = spec_of

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may set."""
        return {"max_retries", "min_backoff", "max_backoff", "retry_when", "throws", "retry_policy"}

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Leave the verdict of a failed attempt."""
        del result
        claimed = as_claimed(message)
        if claimed is None or claimed.verdict is not None:
            return
        if exception is None:
            if claimed.failed:
                text = "a middleware rejected it"
                claimed.verdict = Verdict(Outcome.DEAD, reason=text)
                claimed.error = AttemptError("Rejected", text, attempt=claimed.record.attempt)
            return
        options = self._options(broker, claimed)
        try:
            if "max_retries" in options and self._spec_of(claimed.record.helper) is None:
                # Whoever sent it may not have had the actor: what the actor says here counts, as in Dramatiq.
                retries = options["max_retries"]
                claimed.record.max_attempts = FOR_EVER if retries is None else int(retries) + 1
            claimed.verdict = _decide(claimed, exception, options)
        except Exception as error:  # noqa: BLE001 - retry_when is the user's: a policy that fails never means "done"
            why = redact_text(f"{type(error).__name__}: {text_of(error)}", claimed.secret_texts)
            reason = f"attempt {claimed.record.attempt} failed, and so did its retry policy: {why}"
            claimed.verdict = Verdict(Outcome.DEAD, reason=reason[:300])
        if claimed.verdict.outcome is Outcome.DEAD:
            claimed.fail()

    def _options(self, broker: Broker, message: ClaimedMessage) -> Mapping[str, Any]:
        try:
            actor_options = broker.get_actor(message.actor_name).options
        except ActorNotFound:
            actor_options = {}
        spec = self._spec_of(message.record.helper)
        own = {} if spec is None or "retry_policy" not in actor_options else {"retry_policy": spec.retry}
        return {**actor_options, **own, **message.options}


def _decide(message: ClaimedMessage, exception: BaseException, options: Mapping[str, Any]) -> Verdict:
    text = redact_text(f"{type(exception).__name__}: {text_of(exception)}", message.secret_texts)
    summary = text.partition("\n")[0][:200]
    if message.failed:
        return Verdict(Outcome.DEAD, reason=f"rejected by a middleware: {summary}")
    throws = options.get("throws") or ()
    if throws and isinstance(exception, throws):
        return Verdict(Outcome.DEAD, reason=f"never retried: {summary}")
    attempt, record = message.record.attempt, message.record
    retry_when = options.get("retry_when")
    again = attempt < record.max_attempts if retry_when is None else retry_when(attempt - 1, exception)
    if not again:
        message.exhausted = True
        return Verdict(Outcome.DEAD, reason=f"attempt {attempt} of {record.max_attempts} failed: {summary}")
    return Verdict(Outcome.RETRY, delay=_delay(attempt, exception, options), reason=summary)


def _delay(attempt: int, exception: BaseException, options: Mapping[str, Any]) -> timedelta:
    if isinstance(exception, Retry) and exception.delay is not None:
        return timedelta(milliseconds=exception.delay)
    policy = options.get("retry_policy") or _dramatiq_policy(options)
    return backoff(attempt, policy, spread=random.random())  # noqa: S311 - spreads load, keeps no secret


def _dramatiq_policy(options: Mapping[str, Any]) -> RetryPolicy:
    default = RetryPolicy()
    min_ms, max_ms = options.get("min_backoff"), options.get("max_backoff")
    max_backoff = default.max_backoff if max_ms is None else timedelta(milliseconds=max_ms)
    min_backoff = default.min_backoff if min_ms is None else timedelta(milliseconds=min_ms)
    return RetryPolicy(min_backoff=min(min_backoff, max_backoff), max_backoff=max_backoff)
