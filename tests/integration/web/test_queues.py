"""Queues: what waits, pausing, resuming and purging, each by whom it may be done, and on record."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import httpx
from tests.integration.api.conftest import Api, Serve
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope
from helperhub.services.audit import AuditFilter
from helperhub.store.workers import Doing, Seen
from helperhub.web.confirm import KEY_FIELD


def _acts(api: Api, action: str) -> list[str]:
    return [entry["target"] for entry in api.hub.audit.find(AuditFilter(action=action), limit=10)]


def way_back(answer: httpx.Response) -> str:
    """Return the path below /ui/ that a notice offers for undoing; empty if it offers none."""
    return str(json.loads(answer.headers["hx-trigger"])["notice"]["undo"]).removeprefix("/ui/")


def forget_confirmation(api: Api, browser: Browser) -> None:
    """Let it be long ago that the key was shown."""
    store, token = api.hub.sessions.store, browser.http.cookies["hh_session"]
    content = store.get(token)
    assert content is not None
    store.put(token, {**content, "confirmed_ms": 0}, ttl_ms=600_000)


def test_queue_is_paused_and_resumed_and_both_are_on_record(api: Api, browser: Browser) -> None:
    api.hub.enqueue("echo")

    paused = browser.do("queues/pause", {"name": "default"})

    assert "Queue default is paused" in paused.headers["hx-trigger"]
    assert api.hub.queues.all()[0].paused
    assert "Resume" in browser.see("queues").text
    assert browser.do("queues/resume", {"name": "default"}).status_code == 200
    assert not api.hub.queues.all()[0].paused
    assert (_acts(api, "queue.pause"), _acts(api, "queue.resume")) == (["default"], ["default"])


def test_purge_says_how_many_and_cancels_them(api: Api, browser: Browser) -> None:
    for _ in range(3):
        api.hub.enqueue("echo", delay=timedelta(hours=1))

    asked = browser.see("queues/purge", params={"name": "default"})
    answer = browser.do("queues/purge", {"name": "default", "reason": "a mistake"})

    assert "Cancel 3 executions" in asked.text
    assert "3 executions of queue default were cancelled." in answer.headers["hx-trigger"]
    assert sum((one.ready + one.delayed) for one in api.hub.queues.all()) == 0
    entry = api.hub.audit.find(AuditFilter(action="queue.purge"), limit=1)[0]
    assert (entry["reason"], entry["after"]["cancelled"]) == ("a mistake", 3)
    assert "can be undone" in asked.text
    assert way_back(answer) == f"undo/{entry['after']['undo']}"


def test_purge_is_undone_by_what_its_notice_offers_once(api: Api, browser: Browser) -> None:
    for _ in range(3):
        api.hub.enqueue("echo", delay=timedelta(hours=1))
    back = way_back(browser.do("queues/purge", {"name": "default"}))

    undone, again = browser.do(back), browser.do(back)

    assert "3 executions enqueued again." in undone.headers["hx-trigger"]
    assert "That was undone before." in again.headers["hx-trigger"]
    assert sum((one.ready + one.delayed) for one in api.hub.queues.all()) == 3


def test_purge_asks_for_the_key_once_more_when_it_was_shown_long_ago(api: Api) -> None:
    key = api.key(Scope.MANAGE)
    browser = Browser(api, key)
    api.hub.enqueue("echo", delay=timedelta(hours=1))
    forget_confirmation(api, browser)

    unasked = browser.do("queues/purge", {"name": "default"})
    wrong = browser.do("queues/purge", {"name": "default", KEY_FIELD: api.key(Scope.ADMIN)})
    assert _acts(api, "queue.purge") == []
    right = browser.do("queues/purge", {"name": "default", KEY_FIELD: key})

    assert "This needs your key once more." in unasked.text
    assert KEY_FIELD in unasked.text
    # What the answer before had in its fields comes back, but never a key.
    assert "That isn&#39;t the key" in wrong.text
    assert "hh_" not in wrong.text
    assert "1 executions of queue default were cancelled." in right.headers["hx-trigger"]


def test_reader_is_offered_nothing_and_may_nothing(api: Api, open_browser: Open) -> None:
    api.hub.enqueue("echo")
    reader = open_browser(Scope.READ)

    page = reader.see("queues").text

    assert "default" in page
    assert "Purge" not in page
    assert [reader.do(f"queues/{deed}", {"name": "default"}).status_code for deed in ("pause", "purge")] == [403, 403]
    assert not api.hub.queues.all()[0].paused


def test_narrowed_key_sees_its_queue_only(api: Api, open_browser: Open) -> None:
    api.hub.enqueue("echo")
    other = open_browser(Scope.MANAGE, queues=["reports"])

    assert "default" not in other.see("queues").text.split("<main", 1)[1].split("No queue has been used")[0]
    assert other.do("queues/pause", {"name": "default"}).status_code == 404


def test_change_without_the_page_s_token_is_refused(api: Api, browser: Browser) -> None:
    api.hub.enqueue("echo")

    assert browser.http.post("/ui/queues/pause", data={"name": "default"}).status_code == 403


def test_worker_process_is_shown_paused_and_resumed(serve: Serve) -> None:
    api = serve(worker=True)
    browser = Browser(api, api.key(Scope.ADMIN))
    worker = api.hub.workers.all()[0]["id"]

    page = browser.see("workers").text
    browser.do("workers/pause", {"id": worker})

    assert worker in page
    assert api.hub.workers.all()[0]["status"] == "suspended"
    assert _acts(api, "worker.pause") == [worker]
    browser.do("workers/resume", {"id": worker})
    assert api.hub.workers.all()[0]["status"] != "suspended"


def test_page_of_workers_tells_which_thread_runs_what_and_how_much_memory_it_takes(api: Api, browser: Browser) -> None:
    ids = [str(api.hub.enqueue("echo", {"n": n})) for n in range(2)]
    scripts, about = api.hub.scripts, {"host": "web1", "queues": "default", "threads": "2", "version": "0.0.9"}
    scripts.join("w", lease_ms=60_000, about=about)
    scripts.claim("w", ["default"], number=1, want=2, will_wait=False, waited=False)
    scripts.renew(["w"], lease_ms=60_000, seen={"w": Seen(64_000_000, (Doing(2, ids[0], 1500),)).to_text()})

    page = browser.see("workers").text
    (listed,) = api.hub.workers.all()

    assert "64 MB" in page
    assert "this page is" in page  # of another release
    runs, waits = (re.search(rf"<tr>(?:(?!</tr>).)*{id_}.*?</tr>", page, re.DOTALL) for id_ in ids)
    assert runs
    assert waits
    assert '"Thread">2<' in runs[0]
    assert "none yet" in waits[0]
    assert [(one["thread"], one["id"], one["helper"]) for one in listed["doing"]] == [(2, ids[0], "echo")]
    assert listed["memory_bytes"] == 64_000_000


def test_workers_are_of_the_whole_hub(open_browser: Open) -> None:
    assert open_browser(Scope.READ, helpers=["echo"]).see("workers").status_code == 403


def test_page_of_workers_teaches_how_to_start_one(browser: Browser) -> None:
    assert "helperhub worker" in browser.see("workers").text
