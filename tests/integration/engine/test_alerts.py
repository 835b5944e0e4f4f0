"""An alert's life in processes of their own: from its cause to a mail, taken on, resolved; with schedulers that die."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from helperhub import Hub
from helperhub.store.watching import Watching
from helperhub.testing import MailSink

from .conftest import Start
from .conftest import wait_for as wait_for_condition

PLUGIN = """
from helperhub import RetryPolicy, helper, hookimpl

@helper(retry=RetryPolicy(max_attempts=1))
def broken(ctx):
    raise RuntimeError("it is broken")

@hookimpl
def helperhub_register(hub):
    hub.add(broken)
"""
#: Each test starts up to four processes, and on a busy machine the limit of 30 s would be about those.
pytestmark = pytest.mark.timeout(120)
SETTINGS = {"HELPERHUB_ALERTS__CALM": "1s", "HELPERHUB_WORKER__PROCESSES": "1", "HELPERHUB_WORKER__THREADS": "2"}


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as found:
        yield found


def subject_of(mail: EmailMessage) -> str:
    return str(mail["Subject"]).partition("] ")[2]


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    wait_for_condition(condition, seconds)


def ready(hub: Hub) -> None:
    """Wait until a scheduler and a worker process are there."""
    wait_for(
        lambda: bool(hub.catalogue.schedulers()) and bool(hub.workers.all()) and "broken" in hub.catalogue.read().rows
    )


def test_cause_reaches_the_mailbox_in_time_is_taken_on_and_its_end_told(hub: Hub, start: Start, sink: MailSink) -> None:
    told = {"HELPERHUB_NOTIFY__TARGETS": sink.url}
    start("helperhub", "scheduler", **told)
    start("helperhub", "worker", **told)
    ready(hub)

    begun = time.monotonic()
    hub.enqueue("broken")
    wait_for(lambda: len(sink.mails) == 1)
    took_s = time.monotonic() - begun
    assert took_s < 10
    assert subject_of(sink.mails[0]) == "firing: dead_letters: helper:broken"
    text = text_of(sink.mails[0])
    assert "New dead letters of 'broken': 1." in text

    found = re.search(r"helperhub alerts ack (\S+)", text)
    assert found is not None
    assert hub.alerts.acknowledge(found[1])["state"] == "acknowledged"
    hub.dead_letters.delete([one.id for one in hub.records.dead()])
    wait_for(lambda: len(sink.mails) == 2)
    assert subject_of(sink.mails[1]) == "resolved: dead_letters: helper:broken"
    assert hub.alerts.show(found[1])["state"] == "resolved"


def test_two_schedulers_tell_once_and_one_that_is_killed_is_told_of(hub: Hub, start: Start, sink: MailSink) -> None:
    told = {"HELPERHUB_NOTIFY__TARGETS": sink.url}
    killed = start("helperhub", "scheduler", **told)
    start("helperhub", "scheduler", **told)
    start("helperhub", "worker", **told)
    ready(hub)
    wait_for(lambda: len(hub.catalogue.schedulers()) == 2)

    hub.enqueue("broken")
    wait_for(lambda: len(sink.mails) == 1)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    wait_for(lambda: len(sink.mails) == 2)

    subjects = [subject_of(mail).partition(": ")[2].partition(":")[0] for mail in sink.mails]
    assert subjects == ["dead_letters", "scheduler_lost"]


def test_schedulers_that_are_killed_at_any_moment_lose_no_notification(hub: Hub, start: Start, sink: MailSink) -> None:
    """Each is killed at another moment after the cause; whoever comes next tells what is left to tell."""
    told = {"HELPERHUB_NOTIFY__TARGETS": sink.url, "HELPERHUB_ALERTS__OFF": "scheduler_lost"}
    start("helperhub", "worker", **told)
    for delay_s in (0.0, 0.15):
        scheduler = start("helperhub", "scheduler", **told)
        before = set(hub.catalogue.schedulers())
        wait_for(lambda before=before: bool(set(hub.catalogue.schedulers()) - before))  # type: ignore[misc]
        hub.enqueue("broken")
        wait_for(lambda: bool(hub.alerts.all()) or hub.records.count_dead() > 0)
        time.sleep(delay_s)
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait(10)

    start("helperhub", "scheduler", **told)
    wait_for(lambda: bool(sink.mails))
    wait_for(lambda: hub.alerts.store.notices() == {})

    assert [subject_of(mail) for mail in sink.mails] == ["firing: dead_letters: helper:broken"]


class _Listener(BaseHTTPRequestHandler):
    paths: list[str]

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        del args


@pytest.fixture
def outside() -> Iterator[tuple[str, list[str]]]:
    """A service that listens to heartbeats: its URL, and the paths that were asked for."""
    handler: Any = type("Listener", (_Listener,), {"paths": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/ping/secret", handler.paths
        server.shutdown()
        thread.join(10)


def test_heartbeat_is_heard_while_all_is_well_and_says_when_it_is_not(
    hub: Hub, start: Start, outside: tuple[str, list[str]]
) -> None:
    url, paths = outside
    start("helperhub", "scheduler", HELPERHUB_HEARTBEAT__URL=url, HELPERHUB_HEARTBEAT__EVERY="300ms")
    wait_for(lambda: "/ping/secret/fail" in paths)
    assert "/ping/secret" not in paths

    worker = start("helperhub", "worker")
    wait_for(lambda: "/ping/secret" in paths)

    worker.terminate()
    worker.wait(60)
    so_far = len(paths)
    wait_for(lambda: "/ping/secret/fail" in paths[so_far:])


def test_heartbeat_that_is_to_be_silent_is_so_while_something_is_wrong(
    hub: Hub, start: Start, outside: tuple[str, list[str]]
) -> None:
    url, paths = outside
    beat = {
        "HELPERHUB_HEARTBEAT__URL": url,
        "HELPERHUB_HEARTBEAT__EVERY": "50ms",
        "HELPERHUB_HEARTBEAT__SILENT": "true",
    }
    start("helperhub", "scheduler", **beat)
    wait_for(lambda: bool(hub.catalogue.schedulers()))
    # It beats twenty times a second, but for the worker process that isn't there.
    time.sleep(0.5)
    assert paths == []

    start("helperhub", "worker")
    wait_for(lambda: bool(paths))

    assert set(paths) == {"/ping/secret"}


def test_processes_that_are_stopped_are_not_lost_and_a_worker_process_that_is_killed_is(hub: Hub, start: Start) -> None:
    stopped = [start("helperhub", "scheduler"), start("helperhub", "worker")]
    ready(hub)
    for process in stopped:
        process.terminate()
    for process in stopped:
        assert process.wait(60) == 0
    watch, now_ms = Watching(hub.scripts.client, hub.scripts.keys), hub.scripts.due(limit=1).now_ms
    assert watch.lost_workers(0) == []
    assert hub.catalogue.lost_schedulers(since_ms=0, until_ms=now_ms) == []

    start("helperhub", "worker")
    wait_for(lambda: bool(hub.workers.all()))
    (worker,) = hub.workers.all()
    # It is idle: nothing that it ran can be suspected, and it is lost all the same.
    os.kill(worker["pid"], signal.SIGKILL)
    wait_for(lambda: watch.lost_workers(0) == [worker["id"]])
