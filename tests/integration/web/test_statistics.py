"""Statistics: figures of a span for whom they may be seen, the weekly report, and what is said without an archive."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.api.conftest import Api, Serve
from tests.integration.statistics.conftest import ended, write
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.report_page import POLICY


@pytest.fixture
def api(serve: Serve, tmp_path: Path) -> Api:
    """A served hub with an archive in which something ended some hours ago."""
    served = serve(settings={"HELPERHUB_DATABASE_URL": f"sqlite:///{tmp_path}/archive.db"})
    served.hub.upgrade_archive()
    database = served.hub.database
    assert database is not None
    at = served.hub.statistics.now() - timedelta(hours=3)
    write(database, [ended(at, "sync/<b>a", queue="high") for _ in range(3)])
    write(database, [ended(at, "mail", Status.ERROR, queue="low") for _ in range(2)])
    served.stack.callback(database.close)
    return served


def _names(page: str) -> list[str]:
    return re.findall(r'<th scope="row" class="name wrap"><a [^>]*>([^<]+)</a>', page)


def test_page_has_figures_charts_and_their_table(browser: Browser) -> None:
    page = browser.see("statistics").text

    assert _names(page) == ["sync/&lt;b&gt;a", "mail"]
    assert "60.0" in page
    assert page.count("data-chart=") == 2
    assert "Both charts as a table" in page
    assert not re.search(r"<style|\sstyle=", page)


def test_helpers_come_in_the_order_asked_for_and_of_one_queue(browser: Browser) -> None:
    assert _names(browser.see("statistics", params={"order": "failing"}).text) == ["mail"]
    assert _names(browser.see("statistics", params={"queue": "high", "span": "30d"}).text) == ["sync/&lt;b&gt;a"]


def test_span_and_order_that_there_arent_are_what_is_usual(browser: Browser) -> None:
    answer = browser.see("statistics", params={"span": "1000y", "order": "<script>"})

    assert answer.status_code == 200
    assert "<script>" not in answer.text.split("<main", 1)[1]


def test_narrowed_key_sees_its_own_only_and_no_report(open_browser: Open) -> None:
    narrowed = open_browser(Scope.READ, queues=["low"])

    page = narrowed.see("statistics").text

    assert _names(page) == ["mail"]
    assert "Weekly report" not in page
    assert narrowed.see("report").status_code == 403


def test_report_is_a_page_with_a_policy_of_its_own(browser: Browser) -> None:
    link = re.search(r'href="/ui/(report\?week=[^"]+)"', browser.see("statistics").text)
    assert link

    answer = browser.see(link[1])

    assert answer.headers["content-security-policy"] == POLICY
    assert "script" not in POLICY
    assert "Week" in answer.text
    assert browser.see("report", params={"week": "2026-W99"}).status_code == 400


def test_page_without_an_archive_says_how_to_get_one(serve: Serve) -> None:
    served = serve(settings={"HELPERHUB_ARCHIVE__ENABLED": "false"})

    page = Browser(served, served.key(Scope.READ)).see("statistics").text

    assert "This hub has no archive" in page
