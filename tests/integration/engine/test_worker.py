"""A real `dramatiq.Worker` on our broker: what helpers and plain actors can rely on."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import Retry
from dramatiq.middleware import Middleware, SkipMessage
from pydantic import BaseModel

from helperhub import Context, RetryPolicy, helper
from helperhub.broker.running import declare_helper
from helperhub.errors import InvalidPayload, QueueFull
from helperhub.hub import Hub
from helperhub.model.execution import Execution, Status
from helperhub.model.helper import HelperSpec
from helperhub.settings import load_settings
from helperhub.testing.running import KNOWN_KEYS

Working = Callable[[], AbstractContextManager[dramatiq.Worker]]
FAST = RetryPolicy(max_attempts=3, min_backoff=timedelta(milliseconds=10), max_backoff=timedelta(milliseconds=10))


@pytest.fixture
def working(hub: Hub) -> Working:
    @contextmanager
    def work() -> Iterator[dramatiq.Worker]:
        dramatiq.set_broker(hub.broker)
        hub.broker.declare_queue("default")
        worker = dramatiq.Worker(hub.broker, worker_threads=4, worker_timeout=50)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop(timeout=10_000)

    return work


def declare(hub: Hub, function: Callable[[Any], Any], **options: Any) -> dramatiq.Actor[..., Any]:
    made = helper(**options)(function)
    return declare_helper(hub.broker, made, settings=None, records=hub.records)


def end_of(hub: Hub, message: dramatiq.Message[Any]) -> Execution:
    return hub.wait(message.message_id, timeout=timedelta(seconds=10))


def test_result_is_in_the_history_and_in_the_message(hub: Hub, working: Working) -> None:
    add = dramatiq.actor(actor_name="add", broker=hub.broker)(lambda x, y: x + y)

    with working():
        message = add.send(2, y=3)

        assert end_of(hub, message).result == 5
        assert message.get_result() == 5


def test_helper_is_handed_its_context(hub: Hub, working: Working) -> None:
    seen: list[Context[Any]] = []
    declare(hub, seen.append, name="look")

    with working():
        execution_id = hub.enqueue("look", {"city": "Berlin"}, metadata={"app": "web"}, priority=1)
        execution = hub.wait(execution_id)

    (context,) = seen
    assert (context.execution_id, context.helper, context.payload) == (execution_id, "look", {"city": "Berlin"})
    assert (context.attempt, context.delivery, context.planned_at) == (1, 1, None)
    assert (execution.priority, execution.metadata) == (1, {"app": "web"})


def test_failing_helper_is_retried_and_then_a_dead_letter_with_its_tracebacks(hub: Hub, working: Working) -> None:
    def fail(ctx: Context[Any]) -> None:
        message = f"attempt {ctx.attempt}"
        raise RuntimeError(message)

    actor = declare(hub, fail, name="fail", retry=FAST)

    with working():
        execution = end_of(hub, actor.send())

    assert (execution.status, execution.attempt, execution.delivery) == (Status.ERROR, 3, 3)
    assert [error.message for error in execution.errors] == ["attempt 1", "attempt 2", "attempt 3"]
    assert "raise RuntimeError(message)" in execution.errors[0].traceback
    assert [dead.id for dead in hub.dead_letters.find(limit=10)] == [execution.id]


def test_retry_with_a_delay_of_its_own_succeeds_later(hub: Hub, working: Working) -> None:
    def once_more(ctx: Context[Any]) -> int:
        if ctx.attempt == 1:
            text = "later"
            raise Retry(text, delay=20)
        return ctx.attempt

    actor = declare(hub, once_more, name="once-more")

    with working():
        execution = end_of(hub, actor.send())

    assert (execution.status, execution.result, len(execution.errors)) == (Status.SUCCESS, 2, 1)


def test_exception_that_an_actor_throws_is_never_retried(hub: Hub, working: Working) -> None:
    def refuse(ctx: Context[Any]) -> None:
        raise KeyError(ctx.helper)

    actor = declare(hub, refuse, name="refuse", throws=KeyError, retry=FAST)

    with working():
        execution = end_of(hub, actor.send())

    assert (execution.status, execution.attempt) == (Status.ERROR, 1)


def test_time_limit_interrupts_the_function_and_nothing_else(hub: Hub, working: Working) -> None:
    def loop(ctx: Context[Any]) -> None:
        while ctx.attempt:
            time.sleep(0.01)

    actor = declare(hub, loop, name="loop", time_limit=timedelta(milliseconds=100), retry=RetryPolicy(max_attempts=1))

    with working():
        execution = end_of(hub, actor.send())

    assert execution.status is Status.ERROR
    assert "longer than its time limit of 0.1 s" in execution.errors[0].message


def test_payload_that_does_not_fit_its_model_is_refused_and_never_retried(hub: Hub, working: Working) -> None:
    class Order(BaseModel):
        amount: int

    seen: list[Order] = []
    actor = declare(hub, lambda ctx: seen.append(ctx.payload), name="order", payload_model=Order)

    with working():
        good, bad = actor.send({"amount": 2}), actor.send({"amount": "many"})

        assert end_of(hub, good).status is Status.SUCCESS
        refused = end_of(hub, bad)

    assert seen == [Order(amount=2)]
    assert (refused.status, refused.attempt) == (Status.ERROR, 1)
    assert InvalidPayload.__name__ in refused.errors[0].type


def test_async_actor_runs(hub: Hub, working: Working) -> None:
    @dramatiq.actor(broker=hub.broker)
    async def greet(name: str) -> str:
        await asyncio.sleep(0)
        return f"hello {name}"

    with working():
        assert end_of(hub, greet.send("ann")).result == "hello ann"


def test_unknown_actor_is_handed_back_and_run_by_the_worker_that_has_it(hub: Hub, working: Working) -> None:
    message: dramatiq.Message[None] = dramatiq.Message("default", "newer", (), {}, {})
    with working():
        hub.broker.enqueue(message)
        deadline = time.monotonic() + 5
        while not (found := hub.records.get(message.message_id)) or not found.reason:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    assert (found.status, found.attempt, found.delivery) == (Status.QUEUED, 1, 0)
    assert found.reason == "no worker has this helper yet"


def test_message_enqueued_again_inside_a_hook_is_a_retry_of_itself(hub: Hub, working: Working) -> None:
    class Again(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            if message.record.attempt == 1:
                broker.enqueue(message, delay=10)

    hub.broker.add_middleware(Again())
    work = dramatiq.actor(actor_name="work", broker=hub.broker)(lambda: None)

    with working():
        execution = end_of(hub, work.send())

    assert (execution.status, execution.attempt, execution.delivery) == (Status.SUCCESS, 2, 2)


def test_message_that_a_middleware_skips_ends_and_frees_its_thread(hub: Hub, working: Working) -> None:
    class Skip(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            if message.args == ("skip",):
                raise SkipMessage

    hub.broker.add_middleware(Skip())
    ran: list[str] = []
    note = dramatiq.actor(actor_name="note", broker=hub.broker)(ran.append)

    with working():
        messages = [note.send("skip") for _ in range(6)] + [note.send("run")]
        ends = [end_of(hub, message).status for message in messages]

    assert ran == ["run"]
    assert ends == [Status.SKIPPED] * 6 + [Status.SUCCESS]


def test_result_that_is_no_json_or_too_large_is_marked(hub: Hub, working: Working) -> None:
    odd = dramatiq.actor(actor_name="odd", broker=hub.broker)(lambda: {1, 2})
    big = dramatiq.actor(actor_name="big", broker=hub.broker)(lambda: "x" * 70_000)

    with working():
        no_json, cut = end_of(hub, odd.send()).result, end_of(hub, big.send()).result

    assert no_json["not_json"] == "{1, 2}"
    assert (cut["truncated"], cut["bytes"]) == (True, 70_002)


def test_higher_queue_and_priority_start_first_when_one_thread_is_free(hub: Hub) -> None:
    order: list[str] = []
    note = dramatiq.actor(actor_name="note", broker=hub.broker)(order.append)
    high = dramatiq.actor(actor_name="high", broker=hub.broker, queue_name="high")(order.append)
    for priority in (5, 3, 1):
        note.send_with_options(args=(f"p{priority}",), priority=priority)
    last = high.send("high")
    worker = dramatiq.Worker(hub.broker, worker_threads=1, worker_timeout=50)

    worker.start()
    hub.broker.join("default", timeout=10_000)
    end_of(hub, last)
    worker.stop()

    assert order == ["high", "p1", "p3", "p5"]


def test_stopping_worker_finishes_what_runs_and_hands_back_what_has_not_started(hub: Hub) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> str:
        entered.set()
        leave.wait(10)
        return "done"

    holding = dramatiq.actor(actor_name="hold", broker=hub.broker)(hold)
    running = holding.send()
    worker = dramatiq.Worker(hub.broker, worker_threads=1, worker_timeout=50)
    worker.start()
    assert entered.wait(5)
    waiting = [holding.send() for _ in range(3)]
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    leave.set()
    stopping.join(10)

    assert end_of(hub, running).result == "done"
    left = hub.records.get_many([message.message_id for message in waiting])
    assert {(found.status, found.attempt, found.delivery) for found in left} == {(Status.QUEUED, 1, 0)}
    assert hub.workers.all() == []


def test_lost_scripts_and_connections_lose_nothing(hub: Hub, working: Working) -> None:
    done: list[int] = []
    note = dramatiq.actor(actor_name="note", broker=hub.broker)(done.append)
    client = hub.scripts.client

    with working():
        for start in range(0, 300, 50):
            hub.broker.enqueue_many([note.message(number) for number in range(start, start + 50)])
            client.script_flush()
            client.client_kill_filter(_type="normal", skipme=True)
        hub.broker.join("default", timeout=20_000)

    assert sorted(set(done)) == list(range(300))
    assert sum(queue.totals["success"] for queue in hub.queues.all()) == 300


def test_failure_that_is_given_up_is_posted_to_the_url_once(redis_url: str, hub_name: str) -> None:
    posted: list[dict[str, Any]] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    server = HTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    variables = {
        "HELPERHUB_REDIS_URL": redis_url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_ON_FAILURE__URL": url,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
    }
    hub = Hub(load_settings([], variables), redis_url)
    hub.load_plugins()
    actor = declare(hub, lambda ctx: 1 // 0, name="divide", retry=FAST)
    worker = dramatiq.Worker(hub.broker, worker_threads=2, worker_timeout=50)
    worker.start()

    execution = end_of(hub, actor.send({"n": 1}))
    hub.broker.join("high", timeout=10_000)
    worker.stop()
    hub.close()
    server.shutdown()
    server.server_close()

    (document,) = posted
    assert (document["id"], document["helper"], document["status"]) == (execution.id, "divide", "error")
    assert document["error"]["type"] == "ZeroDivisionError"


def test_bounded_queue_refuses_with_its_depth_and_what_to_do(redis_url: str, hub_name: str) -> None:
    variables = {
        "HELPERHUB_REDIS_URL": redis_url,
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_QUEUES__LOW__MAX_DEPTH": "2",
    }
    hub = Hub(load_settings([], variables), redis_url)
    note = dramatiq.actor(actor_name="note", broker=hub.broker, queue_name="low")(lambda: None)
    note.send()
    note.send()

    with pytest.raises(QueueFull, match=r"'low' is full: 2 executions wait, 2 may.*MAX_DEPTH"):
        note.send()
    hub.close()


def test_instance_has_a_time_limit_and_retries_of_its_own(hub: Hub, working: Working) -> None:
    def loop(ctx: Context[Any]) -> None:
        while ctx.attempt:
            time.sleep(0.01)

    declare(hub, loop, name="loop", time_limit=timedelta(hours=1), retry=RetryPolicy(max_attempts=9))
    delays = (timedelta(milliseconds=10),)
    own = HelperSpec(
        name="loop",
        instance="quick",
        time_limit=timedelta(milliseconds=100),
        retry=RetryPolicy(max_attempts=2, delays=delays, jitter=0),
    )
    hub.helpers.register([own], exclusive=False)

    with working():
        execution = hub.wait(hub.enqueue("loop/quick"), timeout=timedelta(seconds=10))

    assert (execution.status, execution.attempt, execution.max_attempts) == (Status.ERROR, 2, 2)
    assert "0.1 s" in execution.errors[-1].message
