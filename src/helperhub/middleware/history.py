"""Result and error of an attempt, as the history keeps them. Fails open.

Dramatiq's Results middleware stands beside it with a backend that stores nothing: every result is
kept in the execution's record, and ``message.get_result()`` reads it back from there.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware
from dramatiq.results import Missing, ResultMissing, ResultTimeout
from dramatiq.results.backend import DEFAULT_TIMEOUT, ResultBackend
from dramatiq.results.errors import ResultFailure

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.errors import InvalidPayload
from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.model.verdict import Outcome, Verdict
from helperhub.store.body import to_json
from helperhub.trust.redaction import redact_text

#: Pauses between two looks for a result, seconds.
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.01, 0.25


class History(Middleware):
    """Writes what the function returned, or why it failed, on the message; the settler carries it."""

    def __init__(self, *, max_result: int) -> None:
        """Keep results up to ``max_result`` bytes of JSON; longer ones are cut and say so."""
        self._max_result = max_result

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Keep the result of a success, or the error of a failure."""
        claimed = as_claimed(message)
        if claimed is None:
            return
        if exception is None:
            claimed.result = _pack_result(result, self._max_result) if _is_wanted(broker, claimed) else b""
        elif claimed.error is None and _failed(claimed.verdict):
            claimed.error = describe_error(exception, claimed)


def _is_wanted(broker: Broker, message: ClaimedMessage) -> bool:
    wanted = message.options.get("store_results")
    if wanted is None and message.actor_name in broker.actors:
        wanted = broker.actors[message.actor_name].options.get("store_results")
    return wanted is not False


def _failed(verdict: Verdict | None) -> bool:
    return verdict is None or verdict.outcome not in {Outcome.RETURNED, Outcome.INTERRUPTED}


class RecordsBackend(ResultBackend):
    """Reads results from the records; it stores nothing, for the settle script has done that."""

    #: So nobody need call it for that.
    stores_nothing = True

    def __init__(self, load: Callable[[str], Execution | None]) -> None:
        """Look executions up with ``load``."""
        super().__init__(namespace="helperhub", encoder=None)
        self._load = load

    def build_message_key(self, message: Any) -> str:
        """Return the execution's id."""
        return str(message.message_id)

    def get_result(self, message: Any, *, block: bool = False, timeout: int | None = None) -> Any:
        """Return a message's result; Dramatiq's own way of waiting looks again after up to minutes.

        Args:
            message: The message.
            block: Whether to wait for it.
            timeout: Most milliseconds to wait; None means Dramatiq's 10 seconds.

        Raises:
            ResultMissing: It isn't there, and isn't to be waited for.
            ResultTimeout: It took longer.
            ResultFailure: The execution ended in another way than by success.
        """
        deadline = time.monotonic() + (DEFAULT_TIMEOUT if timeout is None else timeout) / 1000
        pause = _FIRST_LOOK_S
        while (result := self._get(self.build_message_key(message))) is Missing:
            if not block:
                raise ResultMissing(message)
            left = deadline - time.monotonic()
            if left <= 0:
                raise ResultTimeout(message)
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_LOOK_S)
        return result

    def _get(self, message_key: str) -> Any:
        execution = self._load(message_key)
        if execution is None or not execution.status.final:
            return Missing
        if execution.status is Status.SUCCESS:
            return execution.result
        error = execution.errors[-1] if execution.errors else None
        if execution.status is not Status.ERROR or error is None:
            message = f"execution {message_key} ended as {execution.status.value}: {execution.reason}"
            raise ResultFailure(message, "", execution.reason)
        kind = error.type.rpartition(".")[2]
        message = f"actor raised {kind}: {error.message}"
        raise ResultFailure(message, kind, error.message)

    def store_result(self, message: Any, result: Any, ttl: int) -> None:
        """Do nothing: results ride in the verdict."""

    def store_exception(self, message: Any, exception: BaseException, ttl: int) -> None:
        """Do nothing: errors ride in the verdict."""


def describe_error(exception: BaseException, claimed: ClaimedMessage) -> AttemptError:
    """Return what is kept of ``exception``: type, text and traceback, without local variables and secrets."""
    kind = type(exception)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    frames = traceback.TracebackException.from_exception(exception, limit=-30, capture_locals=False, compact=True)
    return AttemptError(
        type=name,
        message=redact_text(text_of(exception), claimed.secret_texts),
        traceback=redact_text("".join(frames.format()), claimed.secret_texts),
        attempt=claimed.record.attempt,
        at=datetime.now(UTC),
    )


def text_of(exception: BaseException) -> str:
    """Return the text of ``exception``, or that it can't be had."""
    try:
        return str(exception)
    except Exception as error:  # noqa: BLE001 - an exception's own __str__ may raise anything
        return f"(its text can't be had: {type(error).__name__})"


def _shown(result: Any) -> str:
    try:
        return repr(result)[:500]
    except Exception as error:  # noqa: BLE001 - a result's own __repr__ may raise anything
        return f"({type(result).__name__}: its text can't be had: {type(error).__name__})"


def _pack_result(result: Any, limit: int) -> bytes:
    if result is None:
        return b""
    try:
        packed = to_json(result, what="The result")
    except InvalidPayload as error:
        shown = _shown(result)
        return to_json({"not_json": shown, "why": error.message}, what="The result")
    if len(packed) <= limit:
        return packed
    head = packed[: limit // 2].decode(errors="ignore")
    return to_json({"truncated": True, "bytes": len(packed), "head": head}, what="The result")
