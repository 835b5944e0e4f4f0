"""8. What a function can do while it runs: tell how far it is, stop when asked, keep to its time."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import dramatiq
from tests.fundamentals.conftest import Running

from helperhub import Context, RetryPolicy, helper
from helperhub.testing.running import build_hub, working


@helper
def copy(ctx: Context[Any]) -> str:
    """Copy until somebody asks it to stop."""
    for done in range(1_000):
        if ctx.cancelled:
            return f"stopped after {done}"
        ctx.progress(done, 1_000, "files")
        time.sleep(0.01)
    return "copied all"


@helper
def note(ctx: Context[Any]) -> None:
    """Do next to nothing."""
    del ctx


@helper(time_limit=timedelta(milliseconds=300), retry=RetryPolicy(max_attempts=1))
def slow(ctx: Context[Any]) -> None:
    """Take longer than it may."""
    del ctx
    while True:
        time.sleep(0.01)


def test_progress_is_shown_and_a_running_execution_stops_when_it_is_asked_to(running: Running) -> None:
    """Cancelling one that runs is a request: what it returns after that is its result."""
    with running([copy]) as hub:
        execution_id = hub.enqueue("copy")
        while not (report := hub.executions.progress(execution_id)):
            pass

        assert hub.executions.cancel(execution_id, reason="enough") == "asked"
        execution = hub.wait(execution_id)

    assert (report["total"], report["text"]) == (1_000, "files")
    assert execution.status == "success"
    assert str(execution.result).startswith("stopped after")


def test_attempt_that_takes_too_long_is_ended(running: Running) -> None:
    """The limit raises an exception in the function, which may tidy up, and the attempt has failed."""
    with running([slow]) as hub:
        execution = hub.wait(hub.enqueue("slow"))

    assert execution.status == "error"
    assert "time limit of 0.3 s" in execution.errors[0].message


def test_plain_dramatiq_actors_are_executions_too(redis_url: str) -> None:
    """History, dead letters, priorities and expiry for actors that know nothing of HelperHub."""
    hub = build_hub((), url=redis_url, settings={})

    @dramatiq.actor
    def add(a: int, b: int) -> int:
        return a + b

    with working(hub):
        message = add.send(1, 2)
        execution = hub.wait(message.message_id)
    hub.close()

    assert (execution.helper, execution.payload, execution.result) == ("add", [1, 2], 3)


def test_waiting_execution_can_be_cancelled(running: Running) -> None:
    """One that runs already is asked to stop: it sees ``ctx.cancelled``."""
    with running([note]) as hub:
        execution_id = hub.enqueue("note", delay=timedelta(hours=1))

        assert hub.executions.cancel(execution_id, reason="never mind") == "cancelled"

        execution = hub.executions.get(execution_id)
    assert (execution.status, execution.reason) == ("cancelled", "never mind")


def test_queue_can_be_paused_and_resumed(running: Running) -> None:
    """What waits in it goes on waiting; nothing is lost."""
    with running([note]) as hub:
        hub.wait(hub.enqueue("note", "first"))
        hub.queues.pause("default")
        execution_id = hub.enqueue("note", "second")
        (queue, *_) = hub.queues.all()
        assert (queue.paused, hub.executions.get(execution_id).status) == (True, "queued")

        hub.queues.resume("default")

        assert hub.wait(execution_id).status == "success"
