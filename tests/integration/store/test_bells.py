"""Who is rung: the idle first, then those that are busy with work of a lower queue that they read ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.integration.store.conftest import Store

from helperhub.errors import StoreUnavailable
from helperhub.store.bell import Bell, ring
from helperhub.store.connection import build_client
from helperhub.testing import ServerForTests

QUEUES = ("high", "default", "low")


def is_rung(store: Store, worker: str) -> bool:
    return bool(store.client.exists(store.key("bell", worker)))


def read_ahead(store: Store, worker: str, *ids: str, queue: str = "low") -> None:
    """Let a worker claim work for which it has no free thread."""
    for id_ in ids:
        store.publish(id_, queue=queue)
    store.join(worker)
    found = store.scripts.claim(worker, QUEUES, number=1, want=10, will_wait=False, waited=False, free=0)
    assert len(found.records) == len(ids)


def test_worker_that_read_ahead_is_rung_for_the_queues_above(store: Store) -> None:
    read_ahead(store, "w", "a", queue="default")

    store.publish("b", queue="low")
    assert not is_rung(store, "w")

    store.publish("c", queue="high")
    assert is_rung(store, "w")


def test_worker_whose_threads_take_all_it_claimed_is_not_rung(store: Store) -> None:
    store.publish("a", queue="low")
    store.join("w")
    store.claim("w", *QUEUES)

    store.publish("b", queue="high")

    assert not is_rung(store, "w")


def test_worker_that_says_so_is_rung_for_what_is_above_what_it_read_ahead_before(store: Store) -> None:
    read_ahead(store, "w", "a")
    store.publish("b", queue="high")
    store.client.delete(store.key("bell", "w"))

    store.scripts.claim("w", ["high", "default"], number=2, want=10, will_wait=False, waited=False, above=2)
    store.publish("c", queue="default")

    assert is_rung(store, "w")


def test_idle_worker_is_rung_before_a_busy_one(store: Store) -> None:
    store.join("idle")
    store.claim("idle", *QUEUES, will_wait=True)
    store.advance(1_000)
    read_ahead(store, "busy", "a")  # the idle one was rung for that too, and hasn't come yet
    store.client.delete(store.key("bell", "idle"))

    store.publish("c", queue="high")

    assert is_rung(store, "idle")
    assert not is_rung(store, "busy")


@pytest.fixture
def bell(store: Store, redis_url: str) -> Iterator[Bell]:
    client = build_client(redis_url, retries=0)
    found = Bell(client, store.keys, "w")
    found.open()
    yield found
    found.close()
    client.close()


def later(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Timer(0.1, act)
    thread.start()
    return thread


def test_wait_ends_when_redis_rings_and_says_so(store: Store, bell: Bell) -> None:
    thread = later(lambda: ring(store.client, store.keys, "w"))

    began = time.monotonic()
    assert bell.wait(10.0)

    assert time.monotonic() - began < 5.0
    thread.join()


def test_ring_between_two_waits_is_heard(store: Store, bell: Bell) -> None:
    assert not bell.wait(0.001)
    ring(store.client, store.keys, "w")

    assert bell.wait(10.0)


@pytest.mark.parametrize("listen", [True, False])
def test_wait_ends_when_a_thread_rouses_it(bell: Bell, *, listen: bool) -> None:
    thread = later(bell.rouse)

    began = time.monotonic()
    assert not bell.wait(10.0, listen=listen)

    assert time.monotonic() - began < 5.0
    thread.join()


def test_what_was_said_before_a_wait_ends_it_once(bell: Bell) -> None:
    bell.rouse()
    bell.rouse()
    began = time.monotonic()

    bell.wait(10.0)
    first = time.monotonic() - began
    bell.wait(0.2)

    assert first < 5.0
    assert time.monotonic() - began - first >= 0.15


def test_what_was_said_and_forgotten_ends_no_wait(bell: Bell) -> None:
    bell.rouse()
    bell.forget()
    began = time.monotonic()

    bell.wait(0.2)

    assert time.monotonic() - began >= 0.15


def test_rousing_a_closed_bell_does_nothing(bell: Bell) -> None:
    bell.close()

    bell.rouse()
    assert not bell.wait(0.001)


def test_lost_connection_is_told_and_the_next_wait_listens_again(store: Store) -> None:
    with ServerForTests() as server:
        client = build_client(server.url, retries=0)
        bell = Bell(client, store.keys, "w")
        bell.open()
        bell.wait(0.001)
        client.client_kill_filter(_type="normal", skipme=True)

        with pytest.raises(StoreUnavailable):
            bell.wait(5.0)
        ring(client, store.keys, "w")
        heard = bell.wait(5.0)

        bell.close()
        client.close()
    assert heard
