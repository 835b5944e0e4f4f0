"""Executions on the dashboard: searched, looked at one by one, replayed and cancelled, for whom they may be seen."""

from __future__ import annotations

import html
import json
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.integration.api.conftest import SOON, Api, Serve, broken, echo
from tests.integration.web.conftest import Browser, Open

from helperhub import Every, RetryPolicy, helper
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.web.confirm import KEY_FIELD

HOSTILE = "<script>alert(1)</script>"


@helper()
def chatty(ctx: Any) -> dict[str, Any]:
    """Say something."""
    ctx.log.warning("the soup is hot", extra={"degrees": 80})
    ctx.progress(3, 4, "bowls")
    return {"said": ctx.payload}


@helper()
def slow(ctx: Any) -> str:
    """Go on until somebody stops it."""
    ctx.log.info("the water boils")
    ctx.progress(1, 2, "pots")
    until = time.monotonic() + 20
    while not ctx.cancelled and time.monotonic() < until:
        time.sleep(0.02)
    return "stopped"


def fail(ctx: Any) -> None:
    """Fail each time."""
    raise RuntimeError(ctx.execution_id)


def end(api: Api, name: str, payload: Any = None) -> str:
    """Let an execution end; return its id."""
    id_ = str(api.hub.enqueue(name, payload))
    assert api.hub.wait(id_, timeout=SOON).status.final
    return id_


def ask(browser: Browser, action: str, *ids: str, **more: str) -> list[str]:
    """Return the ids that the dialog asks about."""
    answer = browser.do("executions/ask", {"action": action, **{f"id:{one}": "1" for one in ids}, **more})
    assert answer.status_code == 200, answer.text
    found = re.search(r'name="ids" value="([^"]*)"', answer.text)
    return [] if found is None else list(json.loads(html.unescape(found[1])))


def ask_all(browser: Browser, action: str, q: str = "") -> tuple[str, dict[str, str]]:
    """Return what the dialog asks about all that match, and what it would send."""
    answer = browser.do("executions/ask", {"action": action, "all": "1", "q": q})
    assert answer.status_code == 200, answer.text
    (title,) = re.findall(r'<h2 id="ask-title">([^<]*)<', answer.text)
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
    return title, {name: html.unescape(value) for name, value in fields}


def told(answer: httpx.Response) -> str:
    """Return what people are told."""
    assert answer.status_code == 200, answer.text
    return str(json.loads(answer.headers["hx-trigger"])["notice"]["text"])


def let_confirmation_pass(api: Api, browser: Browser) -> None:
    token = browser.http.cookies["hh_session"]
    content = api.hub.sessions.store.get(token)
    assert content is not None
    api.hub.sessions.store.put(token, {**content, "confirmed_ms": 0}, ttl_ms=60_000)


def test_list_shows_what_ended_and_why_as_text_only(serve: Serve) -> None:
    api = serve(worker=True)
    failed, fine = end(api, "broken", HOSTILE), end(api, "echo", HOSTILE)

    page = Browser(api, api.key(Scope.READ)).see("executions").text

    assert failed in page
    assert fine in page
    assert "RuntimeError: it is broken" in page
    assert HOSTILE not in page


def test_search_finds_what_its_words_say_and_keeps_them_in_the_address(serve: Serve) -> None:
    api = serve(worker=True)
    failed, fine = end(api, "broken"), end(api, "echo")

    page = Browser(api, api.key(Scope.READ)).see("executions", params={"q": "status:error since:1h"}).text

    assert failed in page
    assert fine not in page
    assert 'value="status:error since:1h"' in page


def test_search_that_cant_be_understood_says_so_beside_the_field(browser: Browser) -> None:
    answer = browser.see("executions", params={"q": f'status:error "{HOSTILE}'})

    assert answer.status_code == 400
    assert "aren&#39;t closed" in answer.text
    assert HOSTILE not in answer.text


def test_foreign_cursor_is_told_so(browser: Browser) -> None:
    assert browser.see("executions", params={"cursor": "nonsense"}).status_code == 400


def test_empty_list_teaches(browser: Browser) -> None:
    assert "helperhub helpers run" in browser.see("executions").text
    assert "Nothing fits this search" in browser.see("executions", params={"q": "nothing"}).text


def test_pages_follow_each_other_without_loss(api: Api, browser: Browser) -> None:
    ids = {str(one) for one in api.hub.enqueue_many([("echo", None)] * 60)}

    first = browser.see("executions").text
    link = re.search(r'rel="next" href="/ui/([^"]+)"', first)
    assert link
    second = browser.see(html.unescape(link[1])).text

    found = [set(re.findall(r'name="id:([^"]+)"', page)) for page in (first, second)]
    assert [len(one) for one in found] == [50, 10]
    assert found[0] | found[1] == ids


def test_suggestions_go_on_with_the_last_word(browser: Browser) -> None:
    found = browser.see("executions/suggest", params={"q": "helper:echo status:er"}).text

    assert '<option value="helper:echo status:error">' in found


def test_narrowed_key_is_suggested_and_shown_its_own_only(api: Api, open_browser: Open) -> None:
    other, own = (str(api.hub.enqueue(name)) for name in ("broken", "echo"))
    narrowed = open_browser(Scope.MANAGE, helpers=["echo"])

    page, found = narrowed.see("executions").text, narrowed.see("executions/suggest", params={"q": "helper:"}).text

    assert own in page
    assert other not in page
    assert "helper:echo" in found
    assert "helper:broken" not in found
    assert narrowed.see(f"executions/{other}").status_code == 404
    assert narrowed.do(f"executions/{other}/cancel").status_code == 404
    assert narrowed.do("executions/cancel", {"ids": json.dumps([own, other])}).status_code == 404
    title, form = ask_all(narrowed, "cancel")
    assert title == "Cancel 1 execution?"
    assert ask(narrowed, "cancel", own, other) == [own]
    assert told(narrowed.do("executions/cancel", form)) == "1 execution cancelled."
    assert api.hub.executions.get(other).status is Status.QUEUED


@pytest.mark.parametrize(("kind", "begins"), [("csv", "id,helper,"), ("jsonl", '{"id":')])
def test_search_is_exported_as_a_file(api: Api, browser: Browser, kind: str, begins: str) -> None:
    api.hub.enqueue("echo")
    hidden = str(api.hub.enqueue("broken"))

    answer = browser.see("executions/export", params={"q": "helper:echo", "format": kind})

    assert answer.text.startswith(begins)
    assert hidden not in answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="executions.{kind}"'


def test_chosen_are_cancelled_after_it_was_said_how_many(api: Api, browser: Browser) -> None:
    ids = [str(api.hub.enqueue("echo")) for _ in range(3)]

    asked = ask(browser, "cancel", *ids[:2])
    notice = told(browser.do("executions/cancel", {"ids": json.dumps(asked)}))

    assert set(asked) == set(ids[:2])
    assert notice == "2 executions cancelled."
    assert [api.hub.executions.get(id_).status for id_ in ids] == [Status.CANCELLED] * 2 + [Status.QUEUED]
    entry = api.client.get("/api/v1/audit").json()["entries"][0]
    assert (entry["action"], entry["target"]) == ("execution.cancel", "2 executions")
    assert entry["after"] == dict.fromkeys(asked, "cancelled")


def test_all_matching_are_replayed(serve: Serve) -> None:
    api = serve(worker=True)
    failed = {end(api, "broken") for _ in range(2)}
    end(api, "echo")
    browser = Browser(api, api.key(Scope.MANAGE))

    title, form = ask_all(browser, "replay", "status:error")
    later = end(api, "broken")
    notice = told(browser.do("executions/replay", form))

    assert title == "Replay 2 executions?"
    assert notice == "2 executions put back."
    assert all("(replayed as " in api.hub.executions.get(id_).reason for id_ in failed)
    assert api.hub.dead_letters.is_dead(later)


def test_all_matching_are_cancelled_but_not_what_came_after_the_question(serve: Serve) -> None:
    @helper(schedule=Every(timedelta(minutes=30)))
    def often(ctx: Any) -> None:
        """Do nothing."""

    api = serve([often, echo], scheduler=True)
    browser = Browser(api, api.key(Scope.MANAGE))
    old = [str(api.hub.enqueue("echo")) for _ in range(3)]
    title, form = ask_all(browser, "cancel", "helper:echo")
    new = str(api.hub.enqueue("echo"))

    notice = told(browser.do("executions/cancel", form))

    assert (title, notice) == ("Cancel 3 executions?", "3 executions cancelled.")
    assert {api.hub.executions.get(id_).status for id_ in old} == {Status.CANCELLED}
    assert api.hub.executions.get(new).status is Status.QUEUED
    # What is planned is there only for who asks for it.
    title, form = ask_all(browser, "cancel", "helper:often status:planned")
    planned = int(title.split()[1])
    assert (planned, told(browser.do("executions/cancel", form))) == (planned, f"{title[7:-1]} cancelled.")
    assert planned > 0


def test_search_of_all_kinds_of_words_finds_what_they_say_together(serve: Serve) -> None:
    @helper(retry=RetryPolicy(max_attempts=1))
    def weather(ctx: Any) -> None:
        """Fail as it is told."""
        raise RuntimeError(ctx.payload)

    api = serve([weather, broken, echo], worker=True)
    wanted = end(api, "weather", "connect timeout after 5 s")
    others = [end(api, "weather", "no such city"), end(api, "broken", "timeout"), end(api, "echo", "timeout")]
    browser = Browser(api, api.key(Scope.MANAGE))
    q = 'helper:weather status:error since:2h text:"timeout"'

    page = browser.see("executions", params={"q": q}).text

    assert wanted in page
    assert [id_ for id_ in others if id_ in page] == []
    assert ask_all(browser, "replay", q)[0] == "Replay 1 execution?"


def test_what_is_over_isnt_cancelled_and_what_waits_isnt_replayed(api: Api, browser: Browser) -> None:
    over, waits = (str(api.hub.enqueue("echo")) for _ in range(2))
    api.hub.executions.cancel(over, reason="")

    assert ask(browser, "cancel", over, waits) == [waits]
    assert ask(browser, "replay", over, waits) == [over]
    assert ask_all(browser, "replay", "status:queued") == ("Nothing to replay", {})


def test_many_at_once_need_the_key_once_more(api: Api) -> None:
    key = api.key(Scope.MANAGE)
    browser = Browser(api, key)
    ids = json.dumps([str(one) for one in api.hub.enqueue_many([("echo", None)] * 51)])
    let_confirmation_pass(api, browser)

    refused = browser.do("executions/cancel", {"ids": ids})
    notice = told(browser.do("executions/cancel", {"ids": ids, KEY_FIELD: key}))

    assert refused.status_code == 401
    assert notice == "51 executions cancelled."


@pytest.mark.parametrize("ids", ["", "x", "[]", "{}", "[1]", '["a", null]'])
def test_confirmation_of_nothing_does_nothing(browser: Browser, ids: str) -> None:
    assert browser.do("executions/replay", {"ids": ids}).status_code == 400
    assert browser.do("executions/replay", {"all": "1", "at": ids}).status_code == 400


def test_who_may_read_only_is_offered_nothing_and_can_do_nothing(api: Api, open_browser: Open) -> None:
    id_ = str(api.hub.enqueue("echo"))
    reader = open_browser(Scope.READ)

    pages = reader.see("executions").text + reader.see(f"executions/{id_}").text

    assert "hx-post" not in pages.replace('hx-post="/ui/sign-out"', "")
    for path in ("executions/ask", "executions/replay", "executions/cancel", f"executions/{id_}/cancel"):
        assert reader.do(path).status_code == 403
    assert api.hub.executions.get(id_).status is Status.QUEUED


def test_page_of_one_tells_its_story_with_log_progress_and_result(serve: Serve) -> None:
    api = serve([chatty], worker=True)
    id_ = end(api, "chatty", {"text": HOSTILE})

    # Log and progress are written beside the outcome, and may come after it.
    page = see_until(Browser(api, api.key(Scope.READ)), f"executions/{id_}", "the soup is hot", "3 of 4 bowls")

    for shown in ("Enqueued by code", "Attempt 1 of", "Ended: success", "degrees"):
        assert shown in page
    assert html.escape(HOSTILE) in page
    assert HOSTILE not in page
    assert "hx-trigger" not in page  # it is over: nothing is asked for any more


def see_until(browser: Browser, path: str, *words: str) -> str:
    """Ask for a page until it has all the words, as it does itself; return it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        page = browser.see(path).text
        if all(word in page for word in words):
            return page
        time.sleep(0.05)
    raise AssertionError(page)


def test_page_of_one_that_runs_shows_log_and_progress_meanwhile_and_stops_it(serve: Serve) -> None:
    api = serve([slow], worker=True)
    id_ = str(api.hub.enqueue("slow"))
    browser = Browser(api, api.key(Scope.MANAGE))

    page = see_until(browser, f"executions/{id_}", "the water boils", "1 of 2 pots")

    assert '<progress value="1" max="2"' in page
    assert "It is in hand of a worker process." in page
    assert told(browser.do(f"executions/{id_}/cancel")) == "It runs, and was asked to stop."
    assert api.hub.wait(id_, timeout=SOON).status.final


def test_page_of_one_that_waits_says_why_and_renews_itself(api: Api, browser: Browser) -> None:
    id_ = str(api.hub.enqueue("echo"))

    page = browser.see(f"executions/{id_}").text

    assert "No worker process serves queue default." in page
    assert 'hx-trigger="every 2s' in page
    assert told(browser.do(f"executions/{id_}/cancel")) == "It is cancelled."
    assert "Ended: cancelled" in browser.see(f"executions/{id_}").text


def test_replay_leads_to_the_new_execution_and_both_name_each_other(serve: Serve) -> None:
    api = serve(worker=True)
    old = end(api, "broken")
    browser = Browser(api, api.key(Scope.MANAGE))

    before = browser.see(f"executions/{old}").text
    to = browser.do(f"executions/{old}/replay").headers["hx-redirect"]

    assert "Traceback" in before
    assert "Edit and replay" in before
    new = to.removeprefix("/ui/executions/")
    assert f'href="/ui/executions/{old}"' in browser.http.get(to).text
    assert f'href="/ui/executions/{new}"' in browser.see(f"executions/{old}").text


@pytest.mark.parametrize("id_", ["a/b", "a#c?q=1", "50%25&<i>"])
def test_ids_of_callers_have_pages(api: Api, browser: Browser, id_: str) -> None:
    api.hub.enqueue("echo", id=id_)

    link = re.search(r'<td><a href="(/ui/executions/[^"]+)"', browser.see("executions").text)

    assert link
    assert html.escape(id_) in browser.http.get(html.unescape(link[1])).text


def test_list_says_that_the_archive_is_away(serve: Serve, archive_url: str, tmp_path: Path) -> None:
    api = serve(settings={"HELPERHUB_DATABASE_URL": archive_url, "HELPERHUB_DATA_DIR": str(tmp_path / "data")})
    api.hub.upgrade_archive()
    api.hub.executions.cancel(str(api.hub.enqueue("echo")), reason="")
    api.hub.build_archiver().advance()
    browser = Browser(api, api.key(Scope.READ))

    there = browser.see("executions").text
    assert api.hub.database is not None
    with api.hub.database.write() as connection:
        connection.execute(text("DROP TABLE places"))
    away = browser.see("executions").text

    assert "Redis and the archive as one" in there
    assert "The archive can't be read now" in away


def test_due_time_of_a_retry_is_told_as_that_attempt_s(serve: Serve) -> None:
    again = helper(name="again", retry=RetryPolicy(max_attempts=2, min_backoff=timedelta(milliseconds=100)))(fail)
    api = serve([again], worker=True)
    id_ = end(api, "again")

    page = Browser(api, api.key(Scope.READ)).see(f"executions/{id_}").text

    order = [page.index(words) for words in ("Attempt 1 of 2 failed", "Attempt 2 of 2 due", "Attempt 2 of 2 started")]
    assert order == sorted(order)
    assert '<span class="what">Due</span>' not in page
