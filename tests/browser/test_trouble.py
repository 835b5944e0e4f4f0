"""Redis or the archive goes away while pages are open: they say so, and come back by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tests.browser.running import RealHub, is_served, real_hub, wait_for
from tests.browser.watch import Watched

#: What Chromium says of answers and connections that tests here are about.
_AWAY = ("status of 5", "ERR_", "Response Status Error Code 5", r"\[object Event\]", "htmx:")


@pytest.fixture(scope="module")
def shaken() -> Iterator[RealHub]:
    """A hub of one's own, to be shaken."""
    with real_hub() as running:
        yield running


@pytest.fixture
def somebody(visit: Visit, shaken: RealHub) -> Watched:
    watched = visit(shaken)
    watched.allowed += _AWAY
    return watched


def test_page_says_since_when_it_is_stale_and_recovers_by_itself(somebody: Watched, shaken: RealHub) -> None:
    page = somebody.open()
    expect(page.locator("#stale")).to_be_hidden()

    shaken.server.stop()
    try:
        expect(page.locator("#stale")).to_be_visible(timeout=40_000)
        expect(page.locator("#stale time")).to_have_count(1)
        expect(page.get_by_role("heading", name="Due next")).to_be_visible()
    finally:
        shaken.server.start()

    expect(page.locator("#stale")).to_be_hidden(timeout=60_000)
    one = shaken.hub.enqueue("refuse", {"why": "after the pause"})
    shaken.hub.wait(one)
    expect(page.get_by_text("ValueError: after the pause").first).to_be_visible(timeout=60_000)


def test_page_that_is_opened_meanwhile_says_what_is_away(somebody: Watched, shaken: RealHub) -> None:
    page = somebody.open("helpers")

    shaken.server.stop()
    try:
        page.goto(f"{somebody.base}queues")
        expect(page.get_by_role("alert")).to_contain_text("Redis")
        page.goto(f"{somebody.base}")
        expect(page.get_by_role("alert")).to_contain_text("Redis")
    finally:
        shaken.server.start()

    wait_for(lambda: shaken.hub.helpers.find("greet"), "the server is back")
    page.goto(f"{somebody.base}queues")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()


def test_action_that_cant_be_done_is_told(somebody: Watched, shaken: RealHub) -> None:
    page = somebody.open("helpers/tuned")

    shaken.server.stop()
    try:
        page.get_by_role("button", name="Disable").click()
        expect(page.locator("#notice")).to_contain_text("Redis")
    finally:
        shaken.server.start()

    wait_for(lambda: shaken.hub.helpers.find("tuned"), "the server is back")
    assert shaken.hub.helpers.show("tuned")["enabled"]


def test_web_server_that_is_restarted_is_found_again(somebody: Watched, shaken: RealHub) -> None:
    page = somebody.open()

    shaken.stop("web")
    expect(page.locator("#stale")).to_be_visible(timeout=40_000)
    shaken.start("web")

    wait_for(lambda: is_served(shaken.url), "it is served again")
    expect(page.locator("#stale")).to_be_hidden(timeout=60_000)


def test_pages_go_on_without_the_archive(somebody: Watched, shaken: RealHub) -> None:
    shaken.hub.wait(shaken.hub.enqueue("echo", {"before": "it went"}))
    archive = shaken.directory / "archive"
    away = archive.with_name("away")
    shaken.stop("archiver")

    archive.rename(away)
    try:
        page = somebody.open("executions")
        expect(page.get_by_text("archive").first).to_be_visible()
        expect(page.locator("#rows tbody tr").first).to_be_visible()
        for path in ("", "helpers", "helpers/echo", "timeline", "dead"):
            page.goto(somebody.base + path)
            expect(page.locator("main h1").first).to_be_visible()
            expect(page.get_by_role("alert")).to_have_count(0)
        page.goto(f"{somebody.base}statistics")
        expect(page.locator("main")).to_contain_text("archive")
    finally:
        away.rename(archive)
        shaken.start("archiver")
