"""A hub behind a real HTTP server on a loopback port, in a thread; scheduler and worker where a test wants them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from helperhub import Daily, Hub, RetryPolicy, helper
from helperhub.api.app import build_app
from helperhub.api.server import ServerOptions, build_server, listen
from helperhub.model.access import Scope
from helperhub.services.api_keys import KeyWish
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub, scheduling, working
from helperhub.web.dashboard import add_dashboard

SOON = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Api:
    """A served hub.

    Args:
        hub: What is behind it.
        url: Where it is served.
        stack: Closes what a test opens.
        client: Asks with a key that may everything.
    """

    hub: Hub
    url: str
    stack: ExitStack
    client: httpx.Client

    def key(self, *scopes: Scope, **narrowed: Iterable[str]) -> str:
        """Return a new key."""
        helpers, queues = (frozenset(narrowed.get(name, ())) for name in ("helpers", "queues"))
        return self.hub.api_keys.create(KeyWish("test", frozenset(scopes), helpers, queues))[0]

    def asking(self, *scopes: Scope, **narrowed: Iterable[str]) -> httpx.Client:
        """Return a client with a new key."""
        return self.showing(self.key(*scopes, **narrowed))

    def showing(self, key: str | None = None) -> httpx.Client:
        """Return a client that shows ``key``, or none."""
        return self.stack.enter_context(build_http(self.url, key))


@helper(schedule=Daily("07:30"), priority=2, description="Says what it was given.")
def echo(ctx: Any) -> Any:
    """Return the payload."""
    return ctx.payload


@helper(retry=RetryPolicy(max_attempts=1))
def broken(ctx: Any) -> None:
    """Always fail."""
    message = "it is broken"
    raise RuntimeError(message)


def build_http(url: str, key: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(base_url=url, headers=headers, timeout=10, trust_env=False)


@contextmanager
def serving(hub: Hub, *, root_path: str = "") -> Iterator[str]:
    """Yield the URL at which ``hub`` is served for the length of the block."""
    web = hub.settings.web
    options = ServerOptions("127.0.0.1", 0, web.patience.total_seconds(), web.max_connections, root_path)
    server = build_server(build_app(hub, add=[add_dashboard]), options)
    with listen(options) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


Serve = Callable[..., Api]


@pytest.fixture
def serve(redis_url: str, hub_name: str) -> Iterator[Serve]:
    """Serves a hub; afterwards nothing may lie about in its keys."""
    with ExitStack() as stack:

        def start(
            helpers: Iterable[Any] = (echo, broken),
            *,
            settings: Mapping[str, str] | None = None,
            worker: bool = False,
            scheduler: bool = False,
        ) -> Api:
            hub = build_hub(helpers, url=redis_url, settings={"HELPERHUB_HUB": hub_name, **(settings or {})})
            stack.callback(close, hub)
            hub.register()
            if worker:
                stack.enter_context(working(hub))
            if scheduler:
                stack.enter_context(scheduling(hub))
            url = stack.enter_context(serving(hub))
            key = hub.api_keys.create(KeyWish("all", frozenset({Scope.ADMIN})))[0]
            return Api(hub, url, stack, stack.enter_context(build_http(url, key)))

        yield start


def close(hub: Hub) -> None:
    strays = find_strays(hub.scripts.client, hub.scripts.keys)
    hub.close()
    assert strays == []


@pytest.fixture
def api(serve: Serve) -> Api:
    """A served hub with two helpers, and nobody who plans or works."""
    return serve()
