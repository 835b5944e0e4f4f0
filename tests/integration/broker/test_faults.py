"""Connections lost, scripts flushed, leases gone: nothing is lost, and nothing runs twice without a trace."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import redis

from helperhub import Hub
from helperhub.model.execution import Execution, Status
from helperhub.store.scripts import Gone
from helperhub.testing.running import working

EndOf = Callable[[Hub, Any], Execution]
WaitUntil = Callable[..., None]


@contextlib.contextmanager
def repeatedly(act: Callable[[], object], *, every_s: float = 0.05) -> Iterator[None]:
    """Do something again and again while the block runs."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(every_s):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_connections_that_are_cut_again_and_again_lose_nothing(hub: Hub) -> None:
    starts: Counter[int] = Counter()

    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None:
        starts[number] += 1

    operator = redis.Redis.from_url(hub.url)
    # Less often than a call takes with its repetitions, on a slow machine too: a producer is told when those run out.
    cut = repeatedly(lambda: operator.client_kill_filter(_type="normal", skipme=True), every_s=0.3)
    with working(hub), cut:
        for start in range(0, 500, 50):
            hub.enqueue_many([("note", number) for number in range(start, start + 50)])
        hub.broker.join("default", timeout=20_000)
    operator.close()

    assert starts == Counter(range(500))
    assert hub.queues.all()[0].totals["success"] == 500


def test_scripts_that_are_flushed_again_and_again_cost_nothing(hub: Hub) -> None:
    starts: Counter[int] = Counter()

    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None:
        starts[number] += 1

    operator = redis.Redis.from_url(hub.url)
    with working(hub), repeatedly(operator.script_flush):
        for number in range(300):
            note.send(number)
        hub.broker.join("default", timeout=20_000)
    operator.close()

    assert starts == Counter(range(300))


def test_worker_that_lost_its_lease_registers_again_and_goes_on(hub: Hub, end_of: EndOf) -> None:
    release = threading.Event()

    @dramatiq.actor(broker=hub.broker)
    def held() -> str:
        release.wait(10)
        return "done"

    with working(hub):
        first = held.send()
        while hub.executions.get(first.message_id).status is not Status.RUNNING:
            pass
        hub.scripts.reap([Gone(hub.worker_id, "SIGKILL")])
        release.set()

        execution = end_of(hub, first)
        assert end_of(hub, held.send()).status is Status.SUCCESS

    assert (execution.status, execution.delivery) == (Status.SUCCESS, 2)


def test_what_hadnt_started_when_the_lease_was_lost_starts_once(hub: Hub, wait_until: WaitUntil) -> None:
    release = threading.Event()
    starts: Counter[int] = Counter()

    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None:
        starts[number] += 1
        if number == 0:
            release.wait(10)

    with working(hub, threads=1):
        for number in range(100, 160):  # short ones: the worker reads ahead
            note.send(number)
        hub.broker.join("default", timeout=10_000)
        claimer = hub.broker.claimer
        assert claimer is not None
        note.send(0)
        wait_until(lambda: starts[0] == 1)
        for number in range(1, 6):
            note.send(number)
        wait_until(lambda: claimer.in_hand > 1)
        hub.scripts.reap([Gone(hub.worker_id, "SIGKILL")])
        wait_until(lambda: claimer.in_hand == 1)
        release.set()
        hub.broker.join("default", timeout=10_000)

    assert all(starts[number] == 1 for number in range(1, 6))


def test_worker_process_leaves_nothing_of_itself_behind(hub: Hub, end_of: EndOf) -> None:
    """A claim on its way when the worker stopped registered it again, and it stood in the list for a lease."""

    @dramatiq.actor(broker=hub.broker)
    def idle() -> None: ...

    with working(hub):
        end_of(hub, idle.send())

    assert hub.workers.all() == []


def test_stopping_worker_hands_back_what_it_read_ahead_as_it_came(hub: Hub, wait_until: WaitUntil) -> None:
    release = threading.Event()
    starts: Counter[int] = Counter()

    @dramatiq.actor(broker=hub.broker)
    def note(number: int) -> None:
        starts[number] += 1
        if number == 0:
            release.wait(10)

    with working(hub, threads=1) as worker:
        for number in range(100, 160):
            note.send(number)
        hub.broker.join("default", timeout=10_000)
        messages = [note.send(0)]
        wait_until(lambda: starts[0] == 1)
        messages += [note.send(number) for number in range(1, 6)]
        wait_until(lambda: hub.queues.all()[0].running > 1)
        stopping = threading.Thread(target=worker.stop, kwargs={"timeout": 10_000})
        stopping.start()
        wait_until(lambda: hub.queues.all()[0].ready == 5)
        release.set()
        stopping.join()

        found = [hub.executions.get(message.message_id) for message in messages]

    assert [execution.status for execution in found] == [Status.SUCCESS, *[Status.QUEUED] * 5]
    assert {(execution.attempt, execution.delivery) for execution in found[1:]} == {(1, 0)}
    assert sum(starts[number] for number in range(6)) == 1
