"""A user's own middleware: called where Dramatiq calls it, and unable to lose anything by failing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.encoder import PickleEncoder
from dramatiq.middleware import (
    AgeLimit,
    AsyncIO,
    Callbacks,
    CurrentMessage,
    GroupCallbacks,
    Middleware,
    MiddlewareError,
    Pipelines,
    Retries,
    ShutdownNotifications,
    SkipMessage,
    TimeLimit,
)
from dramatiq.rate_limits.backends import RedisBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as ResultsBackend

from helperhub import Hub
from helperhub.broker import hooks
from helperhub.errors import UsageError
from helperhub.model.execution import Execution, Status
from helperhub.testing.running import working

Join = Callable[[], None]
ExecutionOf = Callable[[Any], Execution]

HOOKS = [
    "before_ack",
    "after_ack",
    "before_nack",
    "after_nack",
    "before_process_message",
    "after_process_message",
    "before_enqueue",
    "after_enqueue",
    "before_worker_boot",
    "after_worker_boot",
    "before_worker_shutdown",
    "after_worker_shutdown",
    "after_worker_thread_boot",
    "before_worker_thread_shutdown",
    "after_consumer_thread_boot",
    "before_consumer_thread_shutdown",
    "before_declare_actor",
    "after_declare_actor",
    "before_declare_queue",
    "after_declare_queue",
]
OF_AN_EXECUTION = ["before_process_message", "after_process_message", "before_ack", "after_ack"]


class Listening(Middleware):
    """Notes each call of each hook; one of them may raise."""

    def __init__(self, failing: str = "", failure: BaseException | None = None) -> None:
        self.heard: list[str] = []
        self.failing, self.failure = failing, failure


def _hook(name: str) -> Callable[..., None]:
    def hook(self: Listening, *args: Any, **kwargs: Any) -> None:
        self.heard.append(name)
        if name == self.failing and self.failure is not None:
            raise self.failure

    return hook


for _name in HOOKS:
    setattr(Listening, _name, _hook(_name))


def test_every_hook_is_called(hub: Hub) -> None:
    listening = Listening()
    hub.broker.add_middleware(listening)

    @dramatiq.actor(queue_name="mine", max_retries=0)
    def sometimes(fails: bool) -> None:
        if fails:
            raise ValueError

    with working(hub):
        sometimes.send(False)
        sometimes.send(True)
        hub.broker.join("mine", timeout=10_000)

    assert set(listening.heard) == set(HOOKS)
    assert listening.heard.count("before_process_message") == listening.heard.count("after_process_message") == 2
    assert listening.heard.count("after_ack") == listening.heard.count("after_nack") == 1


@pytest.mark.parametrize("failure", [ValueError(), SystemExit(1), MiddlewareError(), SkipMessage()], ids=repr)
@pytest.mark.parametrize("hook", ["after_process_message", "before_ack", "after_ack"])
def test_hook_that_raises_loses_nothing(
    broker: dramatiq.Broker,
    worker: dramatiq.Worker,
    join: Join,
    execution: ExecutionOf,
    hook: str,
    failure: BaseException,
) -> None:
    """SystemExit ended the worker thread; MiddlewareError in before_ack kept the outcome from being settled."""
    broker.add_middleware(Listening(hook, failure))

    @dramatiq.actor
    def fine() -> str:
        return "ok"

    messages = [fine.send() for _ in range(8)]
    join()

    assert {execution(message).result for message in messages} == {"ok"}
    assert all(thread.is_alive() for thread in worker.workers)


@pytest.mark.parametrize("failure", [ValueError(), SystemExit(1), MiddlewareError(), SkipMessage()], ids=repr)
@pytest.mark.parametrize("hook", ["after_process_message", "before_nack", "after_nack"])
def test_hook_that_raises_after_a_failure_loses_no_dead_letter(
    broker: dramatiq.Broker,
    worker: dramatiq.Worker,
    join: Join,
    execution: ExecutionOf,
    hook: str,
    failure: BaseException,
) -> None:
    broker.add_middleware(Listening(hook, failure))

    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2)
    def broken() -> None:
        message = "no use"
        raise ValueError(message)

    message = broken.send()
    join()

    assert (execution(message).status, execution(message).attempt) == (Status.ERROR, 2)
    assert all(thread.is_alive() for thread in worker.workers)


@pytest.mark.parametrize("failure", [ValueError(), SystemExit(1)], ids=repr)
def test_actor_runs_though_a_hook_before_it_raised(
    broker: dramatiq.Broker, worker: dramatiq.Worker, failure: BaseException
) -> None:
    broker.add_middleware(Listening("before_process_message", failure))

    @dramatiq.actor
    def fine() -> str:
        return "ok"

    assert fine.send().get_result(block=True) == "ok"


def test_message_that_a_middleware_skips_isnt_run_and_says_so(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf
) -> None:
    ran: list[int] = []
    broker.add_middleware(Listening("before_process_message", SkipMessage("not today")))

    @dramatiq.actor
    def note() -> None:
        ran.append(1)

    message = note.send()
    join()

    assert (execution(message).status, ran) == (Status.SKIPPED, [])


def test_message_that_a_middleware_fails_is_a_dead_letter(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf
) -> None:
    class Rejecting(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
        ) -> None:
            message.fail()

    broker.add_middleware(Rejecting())
    followed: list[int] = []

    @dramatiq.actor(min_backoff=1, max_backoff=2, on_success="note", on_failure="mourn")
    def work(fails: bool) -> None:
        if fails:
            raise ValueError

    @dramatiq.actor
    def note(*args: Any) -> None:
        followed.append(1)

    mourned: list[str] = []

    @dramatiq.actor
    def mourn(message_data: Any, about: dict[str, str]) -> None:
        if message_data["actor_name"] == "work":
            mourned.append(about["type"])

    messages = [work.send(False), work.send(True)]
    join()

    assert [execution(message).status for message in messages] == [Status.ERROR, Status.ERROR]
    assert [execution(message).attempt for message in messages] == [1, 1]
    assert followed == []
    assert sorted(mourned) == ["Rejected", "ValueError"]


def test_enqueueing_the_message_in_hand_is_a_retry_and_not_a_second_message(
    broker: dramatiq.Broker, join: Join, execution: ExecutionOf, hub: Hub
) -> None:
    class Later(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
        ) -> None:
            if result == 1:
                broker.enqueue(message, delay=20)

    broker.add_middleware(Later())
    runs: list[int] = []

    @dramatiq.actor
    def count() -> int:
        runs.append(1)
        return len(runs)

    message = count.send()
    join()

    assert (len(runs), execution(message).status, execution(message).attempt) == (2, Status.SUCCESS, 2)
    assert hub.queues.all()[0].totals["enqueued"] == 1


def test_message_may_be_changed_before_it_is_enqueued(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    """Also a pipeline's next message and a callback, as when a request's id is handed on."""

    class Tracing(Middleware):
        def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            message.options["trace"] = "abc"

    broker.add_middleware(Tracing())

    @dramatiq.actor
    def look(before: list[str] | None = None) -> list[str]:
        message = CurrentMessage.get_current_message()
        assert message is not None
        return [*(before or []), message.options["trace"]]

    assert (look.message() | look.message()).run().get_result(block=True) == ["abc", "abc"]


def test_option_of_a_users_middleware_can_be_given_to_actors(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    class Tagging(Middleware):
        @property
        def actor_options(self) -> set[str]:
            return {"tag"}

        def before_process_message(self, broker: Any, message: Any) -> None:
            message.options["seen"] = broker.get_actor(message.actor_name).options["tag"]

    broker.add_middleware(Tagging())

    @dramatiq.actor(tag="blue")
    def look() -> Any:
        message = CurrentMessage.get_current_message()
        return message and message.options["seen"]

    assert look.send().get_result(block=True) == "blue"


@pytest.mark.parametrize("place", [AgeLimit, Callbacks, Pipelines, Retries, TimeLimit, Results, CurrentMessage])
def test_middleware_finds_its_place_by_dramatiqs_names(hub: Hub, place: type[Middleware]) -> None:
    first, second = Listening(), Listening()

    hub.broker.add_middleware(first, before=place)
    hub.broker.add_middleware(second, after=place)

    positions = [hub.broker.middleware.index(one) for one in (first, second)]
    assert positions[1] - positions[0] == 2


def test_place_that_isnt_there_is_refused_as_by_dramatiq(hub: Hub) -> None:
    with pytest.raises(ValueError, match="not found"):
        hub.broker.add_middleware(Listening(), before=Listening)


@pytest.mark.parametrize(
    "make",
    [
        AsyncIO,
        Callbacks,
        CurrentMessage,
        Pipelines,
        lambda: GroupCallbacks(RedisBackend()),
    ],
    ids=["AsyncIO", "Callbacks", "CurrentMessage", "Pipelines", "GroupCallbacks"],
)
def test_middleware_whose_work_is_done_here_anyway_changes_nothing(hub: Hub, make: Callable[[], Any]) -> None:
    before = list(hub.broker.middleware)

    hub.broker.add_middleware(make())

    assert hub.broker.middleware == before


class MyPipelines(Pipelines):
    """Somebody's own."""


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: AgeLimit(max_age=5), "Give actors max_age"),
        (lambda: Retries(max_retries=5), "Give actors max_retries"),
        (lambda: ShutdownNotifications(notify_shutdown=True), "Give actors notify_shutdown=True"),
        (lambda: TimeLimit(time_limit=5), "Give actors time_limit"),
        (MyPipelines, "Write a Middleware of your own beside it"),
        (lambda: Results(backend=ResultsBackend(encoder=PickleEncoder())), "Take its JSONEncoder"),
    ],
    ids=["AgeLimit", "Retries", "ShutdownNotifications", "TimeLimit", "subclass", "pickled results"],
)
def test_middleware_that_would_work_against_ours_is_refused(hub: Hub, make: Callable[[], Any], hint: str) -> None:
    with pytest.raises(UsageError, match=f"can't be added.*{hint}"):
        hub.broker.add_middleware(make())


def test_middleware_sees_each_message_under_its_own_queue(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    """It saw the name of whichever consumer had handed the message over, and so did Dramatiq's result backend."""
    seen: list[tuple[str, str]] = []

    class Looking(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
        ) -> None:
            seen.append((message.queue_name, message.actor_name))

    broker.add_middleware(Looking())
    names = ["high", "default", "low", "mine"]
    actors = [dramatiq.actor(queue_name=name, actor_name=f"of_{name}")(lambda: 1) for name in names]
    for actor in actors:  # all of their consumers are at work
        actor.send().get_result(block=True)
    seen.clear()

    for message in [actor.send() for actor in actors for _ in range(10)]:
        message.get_result(block=True)

    assert sorted(seen) == sorted((name, f"of_{name}") for name in names for _ in range(10))


def test_gevents_threads_are_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "is_gevent_active", lambda: True)

    with pytest.raises(hooks.WorkerCantStart, match="gevent"):
        dramatiq.Worker(hub.broker).start()


def test_option_that_a_hook_changes_holds_for_the_attempt(broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
    class Counting(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            message.options["starts"] = message.options.get("starts", 0) + 1

    broker.add_middleware(Counting())
    seen: list[Any] = []

    @dramatiq.actor(min_backoff=1, max_backoff=2)
    def flaky() -> None:
        message = CurrentMessage.get_current_message()
        seen.append(message and message.options["starts"])
        if len(seen) < 3:
            raise ValueError

    flaky.send().get_result(block=True)

    assert seen == [1, 1, 1]


def test_prometheus_of_dramatiq_is_refused(hub: Hub, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("dramatiq_prom_db", str(tmp_path / "prom"))  # importing it makes that directory
    from dramatiq.middleware.prometheus import Prometheus  # noqa: PLC0415

    with pytest.raises(UsageError, match="listens on a fixed port of every address"):
        hub.broker.add_middleware(Prometheus())
