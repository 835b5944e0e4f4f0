"""2. What fails is tried again; what is given up on is kept, with its reasons, until somebody looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.fundamentals.conftest import Running

from helperhub import Context, RetryPolicy, helper

SOON = RetryPolicy(max_attempts=3, delays=(timedelta(milliseconds=10),))


@helper(retry=SOON)
def flaky(ctx: Context[Any]) -> str:
    if ctx.attempt < 3:
        message = f"not yet, attempt {ctx.attempt}"
        raise ConnectionError(message)
    return "at last"


@helper(retry=SOON, throws=ValueError)
def broken(ctx: Context[Any]) -> None:
    if ctx.payload != "mended":
        message = "this can't work"
        raise ValueError(message)


def test_an_exception_is_followed_by_another_attempt(running: Running) -> None:
    with running([flaky]) as hub:
        execution = hub.wait(hub.enqueue("flaky"))

    assert (execution.status, execution.attempt, execution.result) == ("success", 3, "at last")
    assert [error.message for error in execution.errors] == ["not yet, attempt 1", "not yet, attempt 2"]


def test_an_execution_that_is_given_up_is_a_dead_letter_and_can_be_replayed(running: Running) -> None:
    with running([broken]) as hub:
        execution = hub.wait(hub.enqueue("broken"))
        assert (execution.status, execution.attempt) == ("error", 1)  # throws: never retried

        (dead,) = hub.dead_letters.find(limit=10)
        assert "this can't work" in dead.reason
        ((_, replayed),) = hub.dead_letters.replay([dead.id])

        assert hub.wait(replayed).replay_of == dead.id
