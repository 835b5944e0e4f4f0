"""What the hub that the browser suite looks at has gone through: something of every kind there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.browser.running import RealHub, wait_for

from helperhub import Hub
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.api_keys import KeyWish
from helperhub.services.callbacks import CallbackFilter
from helperhub.services.webhooks import WebhookWish

HOUR = timedelta(hours=1)


@contextmanager
def make_history(running: RealHub) -> Iterator[None]:
    """Have the hub go through all of it; what it calls back stays there for the length of the block."""
    with listener() as url:
        live(running.hub, url)
        yield


def live(hub: Hub, url: str) -> None:
    """Do whatever leaves a trace, and wait until all of it is there."""
    ended: list[str] = [
        hub.enqueue("greet", {"name": name}, metadata={"app": "shop"}) for name in ("Ada", "Grace", "Edsger")
    ]
    ended += [hub.enqueue("echo", {"n": number}) for number in range(5)]
    ended.append(hub.enqueue("flaky"))
    ended += [hub.enqueue("refuse", {"why": f"order {number} can't be shipped"}) for number in (1, 2, 3)]
    ended += [hub.enqueue("refuse", {"why": "no such city", "kind": "key"}, callback=url)]
    ended.append(hub.enqueue("refuse", {"why": "the shop doesn't answer", "kind": "time"}))
    ended.append(hub.enqueue("echo", {"tell": "you"}, callback=url))
    ended.append(_expired(hub))
    ended.append(_cancelled(hub))
    for name in ("shop", "repository"):
        hub.webhooks.create(WebhookWish("echo", name))
    hub.api_keys.create(KeyWish("build server", frozenset({Scope.RUN}), lifetime=HOUR))
    for execution_id in ended:
        hub.wait(execution_id, timeout=timedelta(seconds=60))
    wait_for(lambda: len(hub.callbacks.find(CallbackFilter(), limit=10)) >= 2, "callbacks are made")
    wait_for(lambda: [one for one in hub.alerts.all() if one["rule"] == "dead_letters"], "an alert fires")


def _expired(hub: Hub) -> str:
    # A queue is one as soon as something has been in it.
    hub.wait(hub.enqueue("report"), timeout=timedelta(seconds=60))
    hub.queues.pause("reports")
    execution_id = hub.enqueue("report", expires_after=timedelta(milliseconds=1))
    time.sleep(0.05)
    hub.queues.resume("reports")
    return execution_id


def _cancelled(hub: Hub) -> str:
    execution_id = hub.enqueue("slow")
    wait_for(lambda: hub.executions.get(execution_id).status is Status.RUNNING, "it runs")
    hub.executions.cancel(execution_id, reason="not needed any more")
    return execution_id


@contextmanager
def listener() -> Iterator[str]:
    """Yield a URL on loopback that takes what it is told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listens)
    thread = threading.Thread(target=server.serve_forever, name="listener", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/told"
    finally:
        server.shutdown()
        server.server_close()


class _Listens(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Say that it was heard."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""
