"""Dead letters that no worker could tell of: the scheduler does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from helperhub import Context, Hub, RetryPolicy, helper
from helperhub.store.scripts import Gone
from helperhub.testing.running import running_hub, scheduling

from .conftest import wait_for


@helper
def weigh(ctx: Context[Any]) -> None:
    """Never runs here."""


@pytest.fixture
def posted() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    found: list[dict[str, Any]] = []

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    server = HTTPServer(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", found
    server.shutdown()
    server.server_close()
    thread.join()


def give_up(hub: Hub, execution_id: str) -> None:
    """Let three worker processes die with it, twice alone."""
    for worker in ("w1", "w2", "w3"):
        hub.scripts.join(worker, lease_ms=30_000, about={"queues": "default"})
        hub.scripts.claim(worker, ["default"], number=1, want=1, will_wait=False, waited=False)
        hub.scripts.reap([Gone(worker, "SIGSEGV")])
    assert hub.executions.get(execution_id).status.value == "error"


def test_execution_that_killed_its_worker_processes_is_told_once(
    redis_url: str, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    url, _ = posted
    with running_hub(
        [weigh], url=redis_url, settings={"HELPERHUB_ON_FAILURE__URL": url}, worker=False, scheduler=False
    ) as hub:
        id_ = hub.enqueue("weigh")
        give_up(hub, id_)
        assert hub.records.untold(10) == [id_]

        with scheduling(hub):
            wait_for(lambda: not hub.records.untold(10))
        hub._given_up.tell_untold(hub.records)

        ids = [execution.id for execution in hub.records.waiting(["high"])]
        assert ids == [f"notice:{id_}"]
        document = hub.executions.get(ids[0]).payload
        assert (document["id"], document["reason"]) == (id_, "worker_lost: SIGSEGV, 2 times while it ran alone")


def test_what_a_worker_told_of_is_not_told_again(redis_url: str, posted: tuple[str, list[dict[str, Any]]]) -> None:
    url, found = posted

    @helper(retry=RetryPolicy(max_attempts=1))
    def fall(ctx: Context[Any]) -> None:
        raise OSError

    with running_hub([fall], url=redis_url, settings={"HELPERHUB_ON_FAILURE__URL": url}) as hub:
        id_ = hub.enqueue("fall")

        wait_for(lambda: len(found) == 1)
        wait_for(lambda: not hub.records.untold(10))
        assert (found[0]["id"], found[0]["error"]["type"]) == (id_, "OSError")
        notices = [execution.id for execution in hub.records.of_helper("helperhub.notify-failure")]
        assert notices in ([], [f"notice:{id_}"])


def test_damaged_record_is_told_too(redis_url: str) -> None:
    with running_hub([weigh], url=redis_url, worker=False, scheduler=False) as hub:
        id_ = hub.enqueue("weigh")
        hub.scripts.client.set(hub.scripts.keys.record(id_), b"\x01rubbish")
        hub.scripts.join("w1", lease_ms=30_000, about={"queues": "default"})
        hub.scripts.claim("w1", ["default"], number=1, want=1, will_wait=False, waited=False)

        assert hub.records.untold(10) == [id_]
