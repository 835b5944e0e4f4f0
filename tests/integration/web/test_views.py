"""Saved searches on the page of executions: saved, opened, renamed, deleted and brought back."""

from __future__ import annotations

import html
import json
from urllib.parse import unquote_plus

import httpx
from tests.integration.api.conftest import Api
from tests.integration.web.conftest import Browser, Open
from tests.integration.web.test_executions import HOSTILE
from tests.integration.web.test_palette import found

from helperhub.model.access import Scope

FAILED = "status:error since:24h"


def page_of(browser: Browser, q: str = "") -> str:
    return html.unescape(browser.see("executions", params={"q": q}).text)


def save(browser: Browser, name: str, q: str = FAILED) -> httpx.Response:
    return browser.do("executions/views/save", {"name": name, "q": q})


def test_search_is_offered_to_be_saved_and_opens_by_its_name(api: Api, open_browser: Open) -> None:
    browser = open_browser(Scope.READ)
    assert "Save this search" not in page_of(browser)
    assert "Save this search" in page_of(browser, FAILED)
    assert FAILED in browser.see("executions/views/save", params={"q": FAILED}).text

    answer = save(browser, "Failed <today>")

    assert unquote_plus(answer.headers["hx-redirect"]) == f"/ui/executions?q={FAILED}"
    assert json.loads(answer.headers["hx-trigger"])["notice"]["text"] == "Saved as Failed <today>."
    page = browser.http.get(answer.headers["hx-redirect"]).text
    assert "Rename Failed &lt;today&gt;" in page
    assert "Save this search" not in page
    assert api.hub.views.all() == []
    assert found(browser, "fail")[0][:2] == ("Saved", "Failed <today>")


def test_nobody_else_sees_it(open_browser: Open) -> None:
    save(open_browser(), "mine")

    assert "Saved searches" not in page_of(open_browser())


def test_view_is_renamed_and_refusals_stand_in_the_dialog(browser: Browser) -> None:
    save(browser, "a")
    save(browser, "b", "queue:low")
    assert 'value="a"' in browser.see("executions/views/rename", params={"name": "a"}).text

    refused = browser.do("executions/views/rename", {"old": "a", "name": "b"})
    renamed = browser.do("executions/views/rename", {"old": "a", "name": "c"})

    assert "Another search is saved as 'b'." in html.unescape(refused.text)
    assert unquote_plus(renamed.headers["hx-redirect"]).endswith(FAILED)
    assert "Rename c" in page_of(browser, FAILED)


def test_deleted_view_comes_back_by_its_notice(browser: Browser) -> None:
    save(browser, "a & b")
    answer = browser.do("executions/views/delete", {"name": "a & b"})
    assert "Rename a & b" not in page_of(browser, FAILED)

    back = str(json.loads(answer.headers["hx-trigger"])["notice"]["undo"]).removeprefix("/ui/")
    assert "is saved again" in browser.do(back).headers["hx-trigger"]

    assert "Rename a & b" in page_of(browser, FAILED)


def test_what_cant_be_saved_is_told_in_the_dialog_as_text(browser: Browser) -> None:
    assert "It needs a name." in save(browser, " ").text
    hostile = save(browser, "mine", f"{HOSTILE}:x status:eror")

    assert HOSTILE not in hostile.text
    assert 'role="alert"' in hostile.text
    assert "Saved searches" not in page_of(browser)
