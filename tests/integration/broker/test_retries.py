"""A failed attempt is followed by another, or is a dead letter; it never counts as done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import Retry

from helperhub import Hub, RetryPolicy
from helperhub.model.execution import Execution, Status
from helperhub.testing.running import working

EndOf = Callable[[Hub, Any], Execution]
AT_ONCE: dict[str, Any] = {"min_backoff": 1, "max_backoff": 5}


def test_actor_that_fails_once_succeeds_at_its_second_attempt(hub: Hub, end_of: EndOf) -> None:
    failures = [OSError("busy")]

    @dramatiq.actor(broker=hub.broker, **AT_ONCE)
    def flaky() -> str:
        if failures:
            raise failures.pop()
        return "ok"

    with working(hub):
        execution = end_of(hub, flaky.send())

    assert (execution.status, execution.attempt, execution.delivery) == (Status.SUCCESS, 2, 2)
    assert [error.message for error in execution.errors] == ["busy"]


def test_actor_that_always_fails_is_a_dead_letter_with_its_errors(hub: Hub, end_of: EndOf) -> None:
    @dramatiq.actor(broker=hub.broker, max_retries=2, **AT_ONCE)
    def broken() -> None:
        message = "no use"
        raise ValueError(message)

    with working(hub):
        execution = end_of(hub, broken.send())

    assert (execution.status, execution.attempt, execution.max_attempts) == (Status.ERROR, 3, 3)
    assert execution.reason == "attempt 3 of 3 failed: ValueError: no use"
    assert [error.attempt for error in execution.errors] == [1, 2, 3]
    assert "raise ValueError(message)" in execution.errors[-1].traceback
    assert [dead.id for dead in hub.dead_letters.find(limit=10)] == [execution.id]


def test_queue_says_how_often_when_the_actor_doesnt(hub: Hub, end_of: EndOf) -> None:
    @dramatiq.actor(broker=hub.broker, queue_name="low", **AT_ONCE)
    def broken() -> None:
        raise ValueError

    with working(hub):
        execution = end_of(hub, broken.send())

    assert execution.attempt == execution.max_attempts == 3


def test_messages_own_options_come_before_the_actors(hub: Hub, end_of: EndOf) -> None:
    @dramatiq.actor(broker=hub.broker, max_retries=9, **AT_ONCE)
    def broken() -> None:
        raise ValueError

    with working(hub):
        execution = end_of(hub, broken.send_with_options(max_retries=1))

    assert execution.attempt == 2


def test_policys_delays_are_kept(hub: Hub, end_of: EndOf) -> None:
    policy = RetryPolicy(delays=(timedelta(milliseconds=300), timedelta(0)), jitter=0.0)

    @dramatiq.actor(broker=hub.broker, max_retries=2, retry_policy=policy)
    def broken() -> None:
        raise ValueError

    with working(hub):
        execution = end_of(hub, broken.send())

    first, second, third = (error.at for error in execution.errors if error.at)
    assert timedelta(milliseconds=290) < second - first < timedelta(seconds=2)
    assert third - second < timedelta(seconds=1)


def test_retry_raised_with_a_delay_waits_that_long(hub: Hub, end_of: EndOf) -> None:
    seen: list[int] = []

    @dramatiq.actor(broker=hub.broker, min_backoff=3_600_000, max_backoff=7_200_000)
    def later() -> None:
        seen.append(1)
        if len(seen) == 1:
            message = "not yet"
            raise Retry(message, delay=200)

    with working(hub):
        execution = end_of(hub, later.send())

    assert (execution.status, execution.attempt) == (Status.SUCCESS, 2)
    assert execution.due_at is not None
    assert execution.errors[0].at is not None
    assert timedelta(milliseconds=150) < execution.due_at - execution.errors[0].at < timedelta(seconds=1)


def test_exception_that_the_actor_throws_isnt_retried(hub: Hub, end_of: EndOf) -> None:
    @dramatiq.actor(broker=hub.broker, throws=KeyError, **AT_ONCE)
    def picky() -> None:
        raise KeyError("nobody")  # noqa: EM101

    with working(hub):
        execution = end_of(hub, picky.send())

    assert (execution.status, execution.attempt) == (Status.ERROR, 1)
    assert execution.reason.startswith("never retried: KeyError")


def test_retry_when_decides_instead_of_the_count(hub: Hub, end_of: EndOf) -> None:
    asked: list[int] = []

    def once_more(retries: int, exception: BaseException) -> bool:
        asked.append(retries)
        return isinstance(exception, ValueError) and retries < 1

    @dramatiq.actor(broker=hub.broker, retry_when=once_more, **AT_ONCE)
    def broken() -> None:
        raise ValueError

    with working(hub):
        execution = end_of(hub, broken.send())

    assert (execution.attempt, asked) == (2, [0, 1])


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
def test_exception_that_isnt_an_error_fails_the_attempt_and_not_the_worker(
    hub: Hub, end_of: EndOf, kind: type[BaseException]
) -> None:
    @dramatiq.actor(broker=hub.broker, max_retries=0)
    def leaving() -> None:
        raise kind

    @dramatiq.actor(broker=hub.broker)
    def staying() -> str:
        return "still here"

    with working(hub, threads=1):
        assert end_of(hub, leaving.send()).status is Status.ERROR
        assert end_of(hub, staying.send()).result == "still here"


def test_exception_whose_text_cant_be_had_fails_the_attempt(hub: Hub, end_of: EndOf) -> None:
    """It was recorded as a success: the policy that decides failed on that text itself."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @dramatiq.actor(broker=hub.broker, max_retries=0)
    def mute() -> None:
        raise Mute

    with working(hub):
        execution = end_of(hub, mute.send())

    assert execution.status is Status.ERROR
    assert execution.errors[0].type.endswith("Mute")


def test_text_that_is_no_unicode_fails_the_attempt_and_nothing_else(hub: Hub, end_of: EndOf) -> None:
    """A file name with undecodable bytes in an exception: never settled, and its worker settled nothing more."""

    # `throws` keeps Dramatiq from logging it: pytest-xdist can't carry such text.
    @dramatiq.actor(broker=hub.broker, throws=OSError)
    def broken() -> None:
        message = "no such file: caf\udce9"
        raise OSError(message)

    @dramatiq.actor(broker=hub.broker)
    def fine() -> str:
        return "ok"

    with working(hub):
        execution = end_of(hub, broken.send())
        assert end_of(hub, fine.send()).result == "ok"

    assert execution.status is Status.ERROR
    assert execution.errors[0].message == "no such file: caf?"


def retry_of_a_bad_delay() -> Exception:
    return Retry("no use", delay="soon")  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("options", "failure"),
    [
        ({"retry_when": lambda *_: 1 / 0}, ValueError("no use")),
        ({"retry_when": lambda: True}, ValueError("no use")),
        ({}, retry_of_a_bad_delay()),
    ],
    ids=["retry_when raises", "retry_when takes nothing", "delay is no number"],
)
def test_attempt_whose_policy_fails_is_a_dead_letter_not_a_success(
    hub: Hub, end_of: EndOf, options: dict[str, Any], failure: Exception
) -> None:
    """A mistake in the options made every failure a success."""

    @dramatiq.actor(broker=hub.broker, **options)
    def broken() -> None:
        raise failure

    with working(hub):
        execution = end_of(hub, broken.send())

    assert execution.status is Status.ERROR
    assert execution.reason.startswith("attempt 1 failed, and so did its retry policy: ")
    assert execution.errors[0].message == "no use"


def test_very_long_backoff_doesnt_overflow(hub: Hub, end_of: EndOf) -> None:
    """From the 33rd attempt on a backoff of hours overflowed, and the failure was recorded as a success."""
    policy = RetryPolicy(min_backoff=timedelta(hours=12), max_backoff=timedelta(days=365))

    @dramatiq.actor(broker=hub.broker, retry_policy=policy, max_retries=None)
    def broken() -> None:
        raise ValueError

    message = broken.send()
    record = hub.records.record(message.message_id)
    assert record is not None
    key = hub.scripts.keys.record(message.message_id)
    record.attempt = 40
    from helperhub.store.record import pack_record  # noqa: PLC0415 - an execution tried 39 times already

    hub.scripts.client.set(key, pack_record(record))
    with working(hub):
        while (execution := hub.executions.get(message.message_id)).attempt == 40 and not execution.status.final:
            pass
    assert (execution.status, execution.attempt) == (Status.QUEUED, 41)
