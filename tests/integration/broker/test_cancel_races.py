"""Cancelling races with claims, settles and other people: each execution has one winner and one end."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq

from helperhub import Hub
from helperhub.errors import Conflict
from helperhub.model.execution import Status
from helperhub.testing.running import working

EndOf = Callable[..., Any]


def test_execution_that_is_cancelled_while_workers_take_it_ends_once(hub: Hub, end_of: EndOf) -> None:
    ran: Counter[str] = Counter()
    lock = threading.Lock()

    @dramatiq.actor(broker=hub.broker)
    def note(name: str) -> None:
        with lock:
            ran[name] += 1

    names = [f"n{number}" for number in range(300)]
    ids = dict(zip(names, hub.enqueue_many([("note", name) for name in names]), strict=True))
    order = names * 2  # two people at once
    random.Random(7).shuffle(order)  # noqa: S311 - the same order every time

    def cancel(name: str) -> tuple[str, str]:
        try:
            return name, hub.executions.cancel(ids[name], reason="enough")
        except Conflict:
            return name, "final"

    with working(hub), ThreadPoolExecutor(4) as people:
        answers = list(people.map(cancel, order))
        ends = {name: end_of(hub, ids[name]) for name in names}

    won = Counter(name for name, answer in answers if answer == "cancelled")
    for name, end in ends.items():
        if won[name]:
            assert (won[name], end.status, ran[name]) == (1, Status.CANCELLED, 0)
        else:
            # It ran: it ends as it wished, unless it wanted to be run again.
            assert (end.status, ran[name]) == (Status.SUCCESS, 1)
    totals = hub.queues.all()[0].totals
    assert totals["success"] + totals["cancelled"] == len(names)


def test_cancelled_execution_that_fails_isnt_tried_again(hub: Hub, end_of: EndOf) -> None:
    entered, leave = threading.Event(), threading.Event()

    @dramatiq.actor(broker=hub.broker, max_retries=5, min_backoff=1)
    def fall() -> None:
        entered.set()
        leave.wait(10)
        raise OSError

    with working(hub):
        message = fall.send()
        assert entered.wait(10)
        assert hub.executions.cancel(message.message_id, reason="enough") == "asked"
        leave.set()

        end = end_of(hub, message)

    assert (end.status, end.attempt) == (Status.CANCELLED, 1)
