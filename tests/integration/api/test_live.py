"""Live events over a real connection: what ends is told at once, in order, without a gap and without repeats."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import SOON, Api, Serve, broken, build_http, echo, serving

from helperhub import helper
from helperhub.api import broadcast
from helperhub.api.routes import live
from helperhub.model.access import Scope
from helperhub.testing.running import build_hub


@dataclass
class Event:
    id: str = ""
    name: str = ""
    data: Any = None
    at: float = 0.0


@dataclass
class Ear:
    """Listens in a thread."""

    client: httpx.Client
    params: dict[str, str]
    last_id: str | None = None
    events: list[Event] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    is_stopped: bool = False
    socket: Any = None

    def run(self) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        try:
            with self.client.stream("GET", "/api/v1/events", params=self.params, headers=headers) as answer:
                self.socket = answer.extensions["network_stream"].get_extra_info("socket")
                for event in read_events(answer, self.ids):
                    self.events.append(event)
                    if event.name == "ready":
                        self.ready.set()
        except httpx.TransportError:
            assert self.is_stopped, "the server broke it off"
        finally:
            self.ready.set()
            self.ended.set()

    def stop(self) -> None:
        """Let the connection be lost."""
        self.is_stopped = True
        with suppress(OSError):  # the server was first
            self.socket.shutdown(socket.SHUT_RDWR)
        assert self.ended.wait(10)

    @property
    def told(self) -> list[Event]:
        return [event for event in self.events if event.name == "execution"]

    def names(self) -> list[str]:
        return [event.data["id"] for event in self.told]


def read_events(answer: httpx.Response, ids: list[str]) -> Iterator[Event]:
    event = Event()
    for line in answer.iter_lines():
        word, _, rest = line.partition(": ")
        if word == "id":
            event.id = rest
            ids.append(rest)
        elif word == "event":
            event.name = rest
        elif word == "data":
            event.data = json.loads(rest)
        elif not line:
            if event.name:
                event.at = time.monotonic()
                yield event
            event = Event()


def listen(client: httpx.Client, *, last_id: str | None = None, **params: str) -> Ear:
    ear = Ear(client, params, last_id)
    threading.Thread(target=ear.run, daemon=True).start()
    assert ear.ready.wait(10)
    return ear


@contextmanager
def hearing(api: Api, *, last_id: str | None = None, key: str | None = None, **params: str) -> Iterator[Ear]:
    """Yield one who listens, and end the connection afterwards."""
    with build_http(api.url, key or api.key(Scope.READ)) as client:
        ear = listen(client, last_id=last_id, **params)
        yield ear
        ear.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def run(api: Api, *helpers: str, payload: Any = None) -> list[str]:
    ids = [api.hub.enqueue(name, payload) for name in helpers]
    for execution_id in ids:
        assert api.hub.wait(execution_id, timeout=SOON).status.final
    return [str(execution_id) for execution_id in ids]


def test_outcome_is_told_at_once_as_the_executions_document(serve: Serve) -> None:
    api = serve(worker=True)
    run(api, "echo")

    with hearing(api) as ear:
        begun = time.monotonic()
        (execution_id,) = run(api, "echo", payload={"secret": 1})
        until(lambda: bool(ear.told))

    (event, *_) = ear.told
    document = json.loads(json.dumps(api.hub.executions.get(execution_id).to_document(), default=str))
    assert event.data == {**document, "payload": None}
    assert event.at - begun < 1


def test_payload_is_told_to_those_who_ask(serve: Serve) -> None:
    api = serve(worker=True)

    with hearing(api, payload="true") as ear:
        run(api, "echo", payload={"city": "Berlin"})
        until(lambda: bool(ear.told))

    assert ear.told[0].data["payload"] == {"city": "Berlin"}


def test_resuming_has_neither_gap_nor_repeat(serve: Serve) -> None:
    api = serve(worker=True)
    # Many end in one call, and stand in one entry.
    wanted: list[str] = []
    heard: list[str] = []
    last_id: str | None = None

    for _ in range(4):
        with hearing(api, last_id=last_id) as ear:
            wanted += run(api, *["echo"] * 30)
            until(lambda: len(ear.told) >= 7)
            told = ear.told[:7]  # the rest is lost with the connection
        heard += [event.data["id"] for event in told]
        last_id = told[-1].id
    with hearing(api, last_id=last_id) as ear:
        until(lambda: set(wanted) <= {*heard, *ear.names()})
        heard += ear.names()

    assert len(heard) == len(set(heard))


def test_connection_without_events_can_be_resumed_too(serve: Serve) -> None:
    api = serve(worker=True)
    with hearing(api) as ear:
        last_id = ear.events[0].id

    missed = run(api, "echo", "broken")

    with hearing(api, last_id=last_id) as ear:
        until(lambda: len(ear.told) == 2)
        assert sorted(ear.names()) == sorted(missed)


def test_events_are_told_while_many_end_and_somebody_resumes(serve: Serve) -> None:
    api = serve(worker=True)
    with hearing(api) as ear:
        last_id = ear.events[0].id
    wanted: list[str] = []

    def produce() -> None:
        for _ in range(5):
            wanted.extend(run(api, *["echo"] * 40))

    producer = threading.Thread(target=produce)
    producer.start()
    until(lambda: len(wanted) >= 40)
    with hearing(api, last_id=last_id) as ear:
        producer.join()
        until(lambda: len(ear.told) >= len(wanted))
        names = ear.names()

    assert len(names) == len(set(names))
    assert set(wanted) <= set(names)


def test_filters_choose_by_helper_queue_and_status(serve: Serve) -> None:
    low = helper(name="low_one", queue="low")(lambda ctx: None)
    api = serve((echo, broken, low), worker=True)

    with (
        hearing(api, helper="echo") as of_helper,
        hearing(api, queue="low") as of_queue,
        hearing(api, status="error") as of_status,
    ):
        names = run(api, "echo", "low_one", "broken")
        until(lambda: bool(of_helper.told and of_queue.told and of_status.told))
        first = [ear.names()[0] for ear in (of_helper, of_queue, of_status)]

    assert first == names


def test_narrowed_key_hears_of_its_own_only(serve: Serve) -> None:
    api = serve(worker=True)

    with hearing(api, key=api.key(Scope.READ, helpers=["echo"])) as ear:
        run(api, "broken")
        (own,) = run(api, "echo")
        until(lambda: bool(ear.told))
        first = ear.names()[0]

    assert first == own


def test_queue_that_is_new_is_heard_of(serve: Serve) -> None:
    fresh = helper(name="fresh", queue="fresh")(lambda ctx: None)
    api = serve((echo, fresh), worker=True)

    with hearing(api) as ear:
        (execution_id,) = run(api, "fresh")
        until(lambda: execution_id in ear.names())


def test_shards_are_told_of_and_resumed(serve: Serve) -> None:
    low = helper(name="low_one", queue="low")(lambda ctx: None)
    settings = {"HELPERHUB_SHARDS": "2", "HELPERHUB_QUEUES__LOW__SHARD": "1"}
    api = serve((echo, low), settings=settings, worker=True)
    with hearing(api) as ear:
        first = run(api, "echo", "low_one")
        until(lambda: len(ear.told) >= 2)
        last_id = ear.told[1].id

    with hearing(api, last_id=last_id) as ear:
        second = run(api, "echo", "low_one")
        until(lambda: set(second) <= set(ear.names()))
        names = ear.names()

    assert not set(first) & set(names)
    assert len(names) == len(set(names))


def test_fifty_listeners_hear_of_everything_within_a_second(serve: Serve) -> None:
    api = serve(worker=True)
    key = api.key(Scope.READ)
    clients = [api.stack.enter_context(build_http(api.url, key)) for _ in range(50)]
    ears = [listen(client) for client in clients]
    threads = sum(thread.name == "helperhub-live" for thread in threading.enumerate())

    names = run(api, *["echo"] * 10)
    done = time.monotonic()
    until(lambda: all(len(ear.told) == 10 for ear in ears))

    assert threads == 1
    assert all(sorted(ear.names()) == sorted(names) for ear in ears)
    assert max(event.at for ear in ears for event in ear.told) - done < 1
    for ear in ears:
        ear.stop()


def test_slow_listener_is_told_of_the_gap_and_closed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MOST_WAITING", 5)
    api = serve(worker=True)

    # Larger than the buffers of both ends' connection, so that it isn't taken before the test reads it.
    with (
        build_http(api.url, api.key(Scope.READ)) as client,
        client.stream("GET", "/api/v1/events?payload=true") as answer,
    ):
        events = read_events(answer, [])
        assert next(events).name == "ready"
        for _ in range(4):
            run(api, *["echo"] * 25, payload={"text": "x" * 200_000})
        names = [event.name for event in events]

    assert names[-1] == "gap"
    assert len(names) < 100


def test_place_that_is_too_long_ago_is_a_gap(serve: Serve) -> None:
    api = serve(worker=True)

    with hearing(api, last_id="1764150000123") as ear:
        (execution_id,) = run(api, "echo")
        until(lambda: bool(ear.told))

    assert [event.name for event in ear.events][:3] == ["ready", "gap", "execution"]
    assert ear.names()[0] == execution_id


@pytest.mark.parametrize("text", ["yesterday", "1.2", "1,x", "-1", "1_0", "1.x.0.default%3As"])
def test_id_that_is_none_is_refused(api: Api, text: str) -> None:
    answer = api.client.get("/api/v1/events", headers={"Last-Event-ID": text})

    assert answer.status_code == 400
    assert answer.json()["hint"]


def test_id_of_a_hub_with_other_shards_is_a_conflict(api: Api) -> None:
    answer = api.client.get("/api/v1/events", headers={"Last-Event-ID": "1,2"})

    assert answer.status_code == 409
    assert answer.json()["hint"]


def test_listening_for_a_while_ends_by_itself(api: Api) -> None:
    answer = api.client.get("/api/v1/events", params={"for": "200ms"})

    assert answer.status_code == 200
    assert "event: ready" in answer.text
    assert 0.2 <= answer.elapsed.total_seconds() < 5


@pytest.mark.parametrize("text", ["soon", "5", ""])
def test_while_that_is_none_is_refused(api: Api, text: str) -> None:
    answer = api.client.get("/api/v1/events", params={"for": text})

    assert answer.status_code == 400
    assert "for: " in answer.json()["detail"]


def test_silence_has_heartbeats_with_a_place_to_resume_from(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    api = serve()

    with hearing(api) as ear:
        # A heartbeat that has nothing new to say names the place of the one before.
        until(lambda: len(ear.ids) >= 3 and int(ear.ids[-1]) > int(ear.ids[0]))

    assert ear.ids == sorted(ear.ids, key=int)


def test_revoked_key_hears_nothing_more(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    api = serve()
    key = api.key(Scope.READ)
    ear = listen(api.showing(key))

    api.hub.api_keys.revoke(key.split("_")[2])

    assert ear.ended.wait(10)


def test_server_that_stops_ends_its_streams_at_once(redis_url: str, hub_name: str) -> None:
    settings = {"HELPERHUB_HUB": hub_name, "HELPERHUB_WEB__OPEN_READS": "true"}
    hub = build_hub((echo,), url=redis_url, settings=settings)
    hub.register()

    with serving(hub) as url:
        client = build_http(url)
        ear = listen(client)
        begun = time.monotonic()

    assert time.monotonic() - begun < 5
    assert ear.ended.wait(5)
    client.close()
    hub.close()


def test_thread_ends_with_the_last_listener(serve: Serve) -> None:
    api = serve()
    with hearing(api):
        assert any(thread.name == "helperhub-live" for thread in threading.enumerate())

    until(lambda: not any(thread.name == "helperhub-live" for thread in threading.enumerate()))


def test_listening_while_redis_is_away_is_refused_at_once() -> None:
    hub = build_hub((), url="unix:///nowhere.sock", settings={"HELPERHUB_WEB__OPEN_READS": "true"})

    with serving(hub) as url, build_http(url) as client:
        answer = client.get("/api/v1/events")

    assert answer.status_code == 503
    assert timedelta(seconds=int(answer.headers["retry-after"])) > timedelta(0)
