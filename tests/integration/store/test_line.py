"""A thread's own connection: kept, given up when it fails, never left with an answer that nobody read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from helperhub.store.connection import build_client
from helperhub.store.line import Line


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    found = build_client(redis_url, retries=1)
    yield found
    found.close()


@pytest.fixture
def line(client: Any) -> Iterator[Line]:
    found = Line(client)
    yield found
    found.close()


def test_a_thread_keeps_its_connection_and_has_it_alone(line: Line) -> None:
    others: list[int] = []
    thread = threading.Thread(target=lambda: others.append(line.call("CLIENT", "ID")))
    thread.start()
    thread.join()

    own = line.call("CLIENT", "ID")

    assert line.call("CLIENT", "ID") == own
    assert others != [own]


def test_a_connection_that_was_closed_costs_no_call(line: Line, client: Any) -> None:
    own = line.call("CLIENT", "ID")
    client.client_kill_filter(_id=own)

    assert line.call("PING") in (b"PONG", True)
    assert line.call("CLIENT", "ID") != own


def test_an_error_is_an_answer_like_any_other(line: Line) -> None:
    own = line.call("CLIENT", "ID")

    with pytest.raises(redis.ResponseError):
        line.call("EVAL", "return redis.error_reply('no')", "0")

    assert line.call("CLIENT", "ID") == own


def test_an_interrupted_call_leaves_its_answer_to_nobody(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """What interrupts an actor call strikes between any two lines."""

    class Interrupt(BaseException):
        pass

    def strike(*given: object, **more: object) -> None:
        raise Interrupt

    line.call("PING")
    with monkeypatch.context() as patch:
        patch.setattr(redis.connection.UnixDomainSocketConnection, "read_response", strike)
        with pytest.raises(Interrupt):
            line.call("ECHO", "first")

    assert line.call("ECHO", "second") == b"second"


def test_a_closed_line_opens_again(line: Line) -> None:
    line.call("PING")

    line.close()

    assert line.call("ECHO", "again") == b"again"


def test_a_thread_that_ends_leaves_no_connection(line: Line, client: Any) -> None:
    """redis-py's pool counts each connection that it ever made, and refuses from the hundredth on."""
    before = len(client.client_list())
    for _ in range(120):
        thread = threading.Thread(target=lambda: line.call("PING"))
        thread.start()
        thread.join()

    assert len(client.client_list()) <= before + 1
