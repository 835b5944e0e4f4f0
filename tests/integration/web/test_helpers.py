"""The list of helpers and the page of one: what they show, what their forms do, and for whom."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import Api, Serve
from tests.integration.web.conftest import Browser, Open

from helperhub import Daily, helper
from helperhub.model.access import Scope
from helperhub.services.helpers import HelperUpdate

HOSTILE = "<img src=x onerror=alert(1)>"
EVERY = {"schedules": "every 30m", "priority": "2", "expires_after": "30m", "payload": "", "reason": "the mail is late"}


@helper(schedule=Daily("03:00"), queue="low", description=HOSTILE, payload={"text": HOSTILE})
def hostile(ctx: Any) -> None:
    """Do nothing."""


def notice_of(answer: httpx.Response) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(answer.headers["hx-trigger"])["notice"]
    return found


def actions_of(api: Api) -> list[str]:
    return [entry["action"] for entry in api.client.get("/api/v1/audit").json()["entries"]]


def seen_in(browser: Browser, name: str = "echo") -> str:
    found = re.search(r'name="seen" value="([^"]+)"', browser.see(f"helpers/{name}").text)
    assert found
    return found[1].replace("&#34;", '"')


def test_list_shows_helpers_with_schedule_and_switch(browser: Browser) -> None:
    page = browser.see("helpers").text

    assert 'href="/ui/helpers/echo"' in page
    assert "daily at 07:30" in page
    assert 'hx-post="/ui/helpers/-/disable/echo"' in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"q": "ECH"}, ["echo"]),
        ({"q": "says given"}, ["echo"]),
        ({"q": "nothing like it"}, []),
        ({"state": "off"}, []),
        ({"state": "on"}, ["broken", "echo"]),
        ({"state": "failing"}, []),
        ({"group": "queue"}, ["broken", "echo"]),
    ],
)
def test_list_is_searched_and_reduced(browser: Browser, query: dict[str, str], shown: list[str]) -> None:
    page = browser.see("helpers", params=query).text

    assert re.findall(r'href="/ui/helpers/(\w+)"', page) == shown
    assert bool(shown) != ("No helper fits" in page)


def test_list_refuses_words_that_it_doesnt_know(browser: Browser) -> None:
    assert browser.see("helpers", params={"state": "odd"}).status_code == 400


def test_paused_helper_is_found_as_such(api: Api, browser: Browser) -> None:
    api.hub.helpers.pause("echo")

    page = browser.see("helpers", params={"state": "paused"}).text

    assert re.findall(r'href="/ui/helpers/(\w+)"', page) == ["echo"]


def test_switch_tells_what_was_removed_and_how_to_undo_it(serve: Serve) -> None:
    api = serve()
    browser = Browser(api, api.key(Scope.MANAGE))
    api.hub.helpers.update("echo", HelperUpdate(schedules=_every_hour()))

    off = notice_of(browser.do("helpers/-/disable/echo"))
    removed = int(re.findall(r"\d+", off["text"])[0])
    assert removed > 0
    assert not api.hub.helpers.show("echo")["enabled"]

    on = notice_of(browser.do(off["undo"].removeprefix("/ui/")))
    assert f"{removed} due time" in on["text"]
    assert api.hub.helpers.show("echo")["enabled"]
    assert actions_of(api)[:2] == ["helper.enable", "helper.disable"]


def _every_hour() -> Mapping[str, Any]:
    from helperhub.schedules.notation import parse_schedule  # noqa: PLC0415 - only here

    return {"": parse_schedule("every 1h")}


def test_pause_and_resume_are_done_and_in_the_audit(api: Api, browser: Browser) -> None:
    browser.do("helpers/-/pause/echo")
    assert api.hub.helpers.show("echo")["paused"]
    assert "Resume" in browser.see("helpers/echo").text

    browser.do("helpers/-/resume/echo")
    assert not api.hub.helpers.show("echo")["paused"]
    assert actions_of(api)[:2] == ["helper.resume", "helper.pause"]


def test_page_shows_the_schedule_its_due_times_and_its_settings(browser: Browser) -> None:
    page = browser.see("helpers/echo").text

    assert page.count('data-how="until"') == 10
    assert "07:30:00" in page
    assert "Time limit of an attempt" in page


def test_page_of_a_helper_that_there_isnt_is_not_found(browser: Browser) -> None:
    assert browser.see("helpers/ehco").status_code == 404


def test_preview_shows_due_times_and_changes_nothing(api: Api, browser: Browser) -> None:
    page = browser.do("helpers/-/preview/echo", EVERY).text

    assert page.count('class="new"') == 10
    assert "daily" in api.hub.helpers.show("echo")["schedule"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schedules": "sometimes"}, "that is not a schedule"),
        ({"schedules": "daily 07:30\ndaily 08:30"}, "Two schedules have no name"),
        ({"schedules": "{"}, "isn&#39;t JSON"),
        ({"priority": "nine"}, "isn&#39;t a whole number"),
        ({"priority": "9"}, "priority 9"),
        ({"expires_after": "5"}, "has no unit"),
        ({"payload": "{city: 1}"}, "The payload isn&#39;t JSON"),
    ],
)
def test_what_cant_be_understood_is_told_in_preview_and_editor(
    api: Api, browser: Browser, change: dict[str, str], told: str
) -> None:
    form = {**EVERY, **change, "seen": seen_in(browser)}

    preview, saved = browser.do("helpers/-/preview/echo", form), browser.do("helpers/-/save/echo", form)

    assert told in preview.text
    assert told in saved.text
    assert api.hub.helpers.show("echo")["override"] is None


def test_saved_change_holds_and_is_in_the_audit_with_its_reason(api: Api, browser: Browser) -> None:
    form = {
        "schedules": "early: daily 06:00 tz=Europe/Berlin\nevery 2h jitter=30s",
        "priority": "1",
        "expires_after": "30m",
        "payload": '{"city": "Berlin"}',
        "reason": "the mail is late",
        "seen": seen_in(browser),
    }

    answer = browser.do("helpers/-/save/echo", form)

    found = api.hub.helpers.show("echo")
    assert (found["priority"], found["expires_after"], found["payload"]) == (1, "30m", {"city": "Berlin"})
    assert set(found["schedules"]) == {"", "early"}
    assert "early: daily 06:00" in answer.text
    entry = api.client.get("/api/v1/audit").json()["entries"][0]
    assert (entry["action"], entry["reason"]) == ("helper.update", "the mail is late")


def test_editor_gives_back_what_it_took(api: Api, browser: Browser) -> None:
    lines = "a: daily 06:00\nb: cron 0 9 * * 1-5 tz=Europe/Berlin\nc: every 2h jitter=30s"
    browser.do("helpers/-/save/echo", {**EVERY, "schedules": lines, "seen": seen_in(browser)})

    page = browser.do("helpers/-/save/echo", {**EVERY, "schedules": lines, "seen": seen_in(browser)}).text

    assert "There is nothing to save" in page


def test_change_over_somebody_elses_is_refused(api: Api, browser: Browser) -> None:
    seen = seen_in(browser)
    api.hub.helpers.update("echo", HelperUpdate(priority=5))

    page = browser.do("helpers/-/save/echo", {**EVERY, "seen": seen}).text

    assert "was changed since you opened this page" in page
    assert "every 30m" in page
    assert api.hub.helpers.show("echo")["priority"] == 5


def test_reset_brings_back_what_was_declared(api: Api, browser: Browser) -> None:
    api.hub.helpers.update("echo", HelperUpdate(priority=5))

    browser.do("helpers/-/reset/echo")

    assert api.hub.helpers.show("echo")["override"] is None
    assert actions_of(api)[0] == "helper.reset"


def test_reset_of_an_instance_made_by_hand_leads_back_to_the_list(api: Api, browser: Browser) -> None:
    api.hub.helpers.update("echo/own", HelperUpdate(priority=5), create=True)
    assert "Remove" in browser.see("helpers/echo/own").text

    assert browser.do("helpers/-/reset/echo/own").headers["hx-redirect"] == "/ui/helpers"


def test_run_starts_an_execution_with_what_was_typed(api: Api, browser: Browser) -> None:
    answer = browser.do("helpers/-/run/echo", {"payload": '{"n": 1}', "delay": "1h", "priority": "1"})

    found = re.search(r'href="/ui/executions/([^"]+)"', answer.text)
    assert found
    execution = api.hub.executions.get(found[1])
    assert (execution.payload, execution.priority) == ({"n": 1}, 1)
    assert actions_of(api)[0] == "helper.run"


def test_run_tells_what_it_cant_understand(browser: Browser) -> None:
    assert "isn&#39;t JSON" in browser.do("helpers/-/run/echo", {"payload": "{"}).text
    assert "has no unit" in browser.do("helpers/-/run/echo", {"delay": "5"}).text


def test_last_executions_are_shown_with_their_cause(serve: Serve) -> None:
    api = serve(worker=True)
    api.hub.wait(api.hub.enqueue("broken"))

    page = Browser(api, api.key(Scope.READ)).see("helpers/broken").text

    assert "RuntimeError: it is broken" in page


@pytest.mark.parametrize("verb", ["enable", "disable", "pause", "resume", "reset", "save", "preview", "run"])
def test_who_may_only_read_is_offered_nothing_and_can_do_nothing(api: Api, open_browser: Open, verb: str) -> None:
    reader = open_browser(Scope.READ)

    page, answer = reader.see("helpers/echo").text, reader.do(f"helpers/-/{verb}/echo", EVERY)

    assert "/ui/helpers/-/chart/" in page
    assert f"/ui/helpers/-/{verb}/" not in page + reader.see("helpers").text
    assert answer.status_code == 403
    assert "this needs" in notice_of(answer)["text"]


@pytest.mark.parametrize("verb", ["enable", "disable", "pause", "resume", "reset", "save", "preview", "run"])
def test_narrowed_key_sees_and_changes_its_own_only(api: Api, open_browser: Open, verb: str) -> None:
    narrowed = open_browser(Scope.MANAGE, helpers=["broken"])

    assert re.findall(r'href="/ui/helpers/(\w+)"', narrowed.see("helpers").text) == ["broken"]
    assert narrowed.see("helpers/echo").status_code == 404
    assert narrowed.see("helpers/-/chart/echo").status_code == 404
    assert narrowed.do(f"helpers/-/{verb}/echo", EVERY).status_code == 404


def test_hostile_texts_are_texts(serve: Serve) -> None:
    api = serve([hostile])
    browser = Browser(api, api.key(Scope.MANAGE))

    for path in ("helpers", "helpers?q=%3Cimg", "helpers/hostile"):
        page = browser.see(path).text
        assert HOSTILE not in page
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|<[^>]*\son[a-z]+=", page)


def test_list_of_many_comes_page_by_page(serve: Serve) -> None:
    api = serve()
    for number in range(120):
        api.hub.helpers.update(f"echo/n{number:03}", HelperUpdate(priority=4), create=True)
    browser = Browser(api, api.key(Scope.READ))

    pages = [browser.see("helpers", params={"page": number}).text for number in (1, 2, 3, 9)]

    names = [re.findall(r'href="/ui/helpers/([\w/]+)"', page) for page in pages]
    assert [len(one) for one in names] == [50, 50, 22, 22]
    assert len({name for page in names for name in page}) == 122
