"""From a helper to the actor that runs it: the actor's function builds the context and calls the author's."""

from __future__ import annotations

import functools
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage
from pydantic import ValidationError

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.errors import HelperHubError, InvalidPayload
from helperhub.model.context import Context
from helperhub.model.duration import to_ms
from helperhub.model.helper import split_key
from helperhub.model.instant import from_ms
from helperhub.plugins.declaration import Helper
from helperhub.store.executions import Executions

_ASK_EVERY_S = 1.0


def declare_helper(
    broker: HelperHubBroker, helper: Helper, *, settings: Any, records: Executions
) -> dramatiq.Actor[..., Any]:
    """Declare the actor of a helper on ``broker``.

    Args:
        broker: Where it is declared.
        helper: What ``@helper`` made.
        settings: What ``ctx.settings`` is.
        records: For ``ctx.cancelled``.

    Raises:
        ValueError: An actor of that name is declared already.
    """
    declaration = helper.declaration
    spec = declaration.spec
    log = logging.getLogger(f"helperhub.helper.{helper.name}")

    def run(payload: Any = None) -> Any:
        claimed = as_claimed(CurrentMessage.get_current_message())
        if claimed is not None:
            claimed.secret_fields = spec.secret_fields
        given = check_payload(helper, payload)
        return helper.function(_build_context(broker, helper, claimed, log, given, settings, records))

    run.__name__ = run.__qualname__ = helper.name
    run.__module__ = helper.function.__module__
    options: dict[str, Any] = {"retry_policy": spec.retry, "throws": (*declaration.throws, InvalidPayload)}
    if spec.time_limit is not None:
        options["time_limit"] = to_ms(spec.time_limit)
    if spec.retry.max_attempts is not None:
        options["max_retries"] = spec.retry.max_attempts - 1
    return dramatiq.Actor(run, broker=broker, actor_name=spec.name, queue_name=spec.queue, priority=0, options=options)


def check_payload(helper: Helper, payload: Any) -> Any:
    """Return ``payload`` as the helper's payload model, or as it is if it declares none.

    Raises:
        InvalidPayload: It doesn't fit the model.
    """
    model = helper.declaration.payload_model
    if model is None:
        return payload
    try:
        return model.model_validate({} if payload is None else payload)
    except ValueError as error:
        message = f"The payload doesn't fit helper '{helper.name}': {_places(error)}"
        # Not chained: a validation error's text shows what was given, and that may be a secret.
        raise InvalidPayload(message) from None


def _places(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(str(part) for part in one['loc']) or 'it'}: {one['msg']}" for one in found) + "."


def _build_context(
    broker: HelperHubBroker,
    helper: Helper,
    claimed: ClaimedMessage | None,
    log: logging.Logger,
    payload: Any,
    settings: Any,
    records: Executions,
) -> Context[Any]:
    if claimed is None:
        return Context(helper=helper.name, payload=payload, settings=settings, log=log)
    record = claimed.record
    name, instance = split_key(record.helper)
    return Context(
        execution_id=claimed.execution_id,
        helper=name,
        instance=instance,
        payload=payload,
        settings=settings,
        attempt=record.attempt,
        delivery=record.delivery,
        planned_at=from_ms(record.planned_ms) if record.planned_ms else None,
        deadline_at=datetime.now(UTC) + timedelta(seconds=claimed.time_limit_s),
        log=log,
        _is_cancelled=_Asking(claimed, records),
        _report_progress=functools.partial(_report, broker, claimed),
    )


def _report(broker: HelperHubBroker, claimed: ClaimedMessage, done: float, total: float | None, text: str) -> None:
    if broker.reports is not None:
        broker.reports.progress(claimed, done, total, text)


class _Asking:
    """Asks Redis whether an execution is cancelled, at most once a second; once true, always true."""

    def __init__(self, claimed: ClaimedMessage, records: Executions) -> None:
        self._claimed = claimed
        self._records = records
        self._asked_at = float("-inf")

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._claimed.cancelled and now - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = now
            try:
                self._claimed.cancelled = self._records.are_cancelled([self._claimed.execution_id])[0]
            except HelperHubError:  # Redis is away: the helper goes on, and asks again in a second
                return False
        return self._claimed.cancelled
