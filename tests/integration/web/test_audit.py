"""The audit trail's page: for whom, filtered, page by page, exported and checked."""

from __future__ import annotations

import json

from tests.integration.api.conftest import Api
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope

HOSTILE = "<script>alert(1)</script>"


def test_entries_are_shown_with_before_and_after_as_text(api: Api, browser: Browser) -> None:
    api.hub.audit.note("helper.update", HOSTILE, before={"a": HOSTILE}, after={"b": 2}, reason=HOSTILE)

    page = browser.see("audit").text

    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)") == 3


def test_entries_are_filtered(api: Api, browser: Browser) -> None:
    api.hub.audit.note("queue.pause", "reports")
    api.hub.audit.note("helper.disable", "weather")

    by_verb = browser.see("audit", params={"action": "queue.", "since": "1h"}).text
    too_old = browser.see("audit", params={"until": "1h"}).text

    assert "reports" in by_verb
    assert "weather" not in by_verb
    assert "Nothing on record fits." in too_old


def test_time_that_cant_be_understood_is_told_in_place(browser: Browser) -> None:
    answer = browser.see("audit", params={"since": "yesterday"})

    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert 'value="yesterday"' in answer.text


def test_older_entries_are_a_link_away(api: Api, browser: Browser) -> None:
    for number in range(60):
        api.hub.audit.note("queue.pause", f"queue{number:02}")

    first = browser.see("audit", params={"action": "queue.pause"}).text
    link = first.rsplit("/ui/", 1)[1].split('"')[0] if "Older" in first else ""
    older = next(part.split('"')[0] for part in first.split('href="/ui/')[1:] if "cursor=" in part.split('"')[0])
    second = browser.see(older.replace("&amp;", "&")).text

    assert link
    assert "queue59" in first
    assert "queue00" not in first
    assert "queue00" in second
    assert "queue59" not in second


def test_export_has_what_the_filter_lets_through(api: Api, browser: Browser) -> None:
    api.hub.audit.note("queue.pause", "reports")

    answer = browser.see("audit/export", params={"action": "queue.pause"})

    assert answer.headers["content-disposition"].startswith("attachment")
    assert [json.loads(line)["target"] for line in answer.text.splitlines()] == ["reports"]


def test_check_without_an_archive_says_so(browser: Browser) -> None:
    assert "There is no archive" in browser.see("audit/verify").text


def test_trail_is_for_admins_of_the_whole_hub(open_browser: Open) -> None:
    for one in (open_browser(Scope.MANAGE), open_browser(Scope.ADMIN, queues=["default"])):
        assert [one.see(path).status_code for path in ("audit", "audit/export", "audit/verify")] == [403, 403, 403]


def test_cursor_that_is_none_is_refused(browser: Browser) -> None:
    assert browser.see("audit", params={"cursor": "rubbish"}).status_code < 500
