"""Unique keys through the faces: one of many callers enqueues, the others get its execution."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.errors import UsageError
from helperhub.model.execution import Execution
from helperhub.model.identity import ExecutionId
from helperhub.testing.running import working

HOUR = timedelta(hours=1)
EndOf = Callable[[Hub, Any], Execution]


@pytest.fixture(name="mail")
def mail_fixture(hub: Hub) -> dramatiq.Actor[..., Any]:
    @dramatiq.actor(broker=hub.broker)
    def mail(payload: Any) -> Any:
        return payload

    return mail


@pytest.mark.usefixtures("mail")
def test_of_many_callers_at_once_one_enqueues(hub: Hub) -> None:
    callers = 16
    ready = threading.Barrier(callers)
    found: list[list[ExecutionId]] = [[] for _ in range(callers)]

    def call(number: int) -> None:
        ready.wait()
        for key in range(20):
            found[number].append(hub.enqueue("mail", {"from": number}, unique_key=f"k{key}"))

    threads = [threading.Thread(target=call, args=[number]) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for key in range(20):
        of_key = [ids[key] for ids in found]
        assert len(set(of_key)) == 1
        assert [id_.existed for id_ in of_key].count(False) == 1
    (queue,) = hub.queues.all()
    assert queue.ready == 20


def test_key_is_shown_and_free_when_its_execution_has_ended(
    hub: Hub, mail: dramatiq.Actor[..., Any], end_of: EndOf
) -> None:
    first = hub.enqueue("mail", 1, unique_key="customer-7")
    with working(hub):
        assert end_of(hub, first).to_document()["unique_key"] == "customer-7"
        second = hub.enqueue("mail", 2, unique_key="customer-7")
        assert end_of(hub, second).result == 2

    assert (first.existed, second.existed) == (False, False)
    assert mail.send(3).message_id not in (first, second)


def test_sent_message_has_the_id_of_who_has_the_key(hub: Hub, mail: dramatiq.Actor[..., Any]) -> None:
    first = mail.send_with_options(args=(1,), unique_key="k", unique_for=60_000)
    second = mail.send_with_options(args=(2,), unique_key="k")
    third = hub.enqueue("mail", 3, unique_key="k", unique_for=HOUR)

    assert (second.message_id, third) == (first.message_id, first.message_id)
    assert third.existed


def test_message_that_is_sent_twice_is_enqueued_once_under_its_key(hub: Hub, mail: dramatiq.Actor[..., Any]) -> None:
    message = mail.message_with_options(args=(1,), unique_key="k")

    assert hub.broker.enqueue(message).message_id == hub.broker.enqueue(message).message_id
    assert hub.queues.all()[0].ready == 1


@pytest.mark.usefixtures("mail")
def test_batch_has_the_keys_of_its_payloads(hub: Hub) -> None:
    pairs = [("mail", {"to": name}) for name in ("ada", "bob", "ada", "")]

    ids = hub.enqueue_many(pairs, unique_key=lambda payload: payload["to"] or None, unique_for=HOUR)

    assert ids[2] == ids[0]
    assert [id_.existed for id_ in ids] == [False, False, True, False]
    assert hub.queues.all()[0].ready == 3


@pytest.mark.usefixtures("mail")
def test_own_id_that_is_there_already_is_said_to_have_existed(hub: Hub) -> None:
    assert [hub.enqueue("mail", 1, id="order-7").existed for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"unique_for": 5}, "unique_for without unique_key"),
        ({"unique_key": ""}, "unique_key='' can't be used"),
        ({"unique_key": 7}, "unique_key=7 can't be used"),
        ({"unique_key": "x" * 256}, "1 to 255 bytes"),
        ({"unique_key": "k", "unique_for": timedelta(0)}, "can't be used.*1 or more"),
        ({"unique_key": "k", "unique_for": "1h"}, "unique_for='1h' can't be used"),
    ],
)
def test_what_cant_be_a_key_or_a_time_is_refused(
    hub: Hub, mail: dramatiq.Actor[..., Any], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        mail.send_with_options(args=(1,), **options)
    assert hub.queues.all() == []


def test_member_of_a_group_cant_have_a_key(mail: dramatiq.Actor[..., Any]) -> None:
    """The one that has the key already isn't counted in the group, which would never be complete."""
    members = dramatiq.group([mail.message_with_options(args=(1,), unique_key="k"), mail.message(2)])
    members.add_completion_callback(mail.message(3))

    with pytest.raises(UsageError, match="member of a group"):
        members.run()
