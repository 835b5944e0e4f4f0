"""The dashboard under a path of a proxy's: nothing leads out of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tests.browser.doing import expect_notice
from tests.browser.proxy import proxied
from tests.browser.running import RealHub, real_hub
from tests.browser.watch import Watched

from helperhub.web.render import PAGES

PREFIX = "/tools/hub"


@pytest.fixture(scope="module")
def behind() -> Iterator[tuple[RealHub, str]]:
    """A hub behind a proxy, and where that serves it."""
    with real_hub(HELPERHUB_WEB__ROOT_PATH=PREFIX) as running, proxied(running.url, PREFIX) as base:
        running.hub.wait(running.hub.enqueue("refuse", {"why": "it is far away"}), timeout=timedelta(seconds=60))
        yield running, base


@pytest.fixture
def afar(visit: Visit, behind: tuple[RealHub, str]) -> Watched:
    running, base = behind
    return visit(running, base=base)


def test_pages_are_reached_by_their_links(afar: Watched) -> None:
    page = afar.open()

    for path, name, _ in PAGES:
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
        expect(page).to_have_url(f"{afar.base}{path}")
        expect(page.locator("nav a[aria-current=page]").first).to_have_text(name)


def test_failure_is_found_and_replayed_and_somebody_signs_out_and_in(
    afar: Watched, behind: tuple[RealHub, str]
) -> None:
    page = afar.open()
    expect(page.get_by_role("cell", name="ValueError: it is far away").first).to_be_visible()

    page.get_by_role("link", name="refuse").first.click()
    page.get_by_role("button", name="Replay", exact=True).click()
    expect_notice(page, "Put back as")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{afar.base}sign-in")
    afar.go(page, "queues")
    page.get_by_label("API key").fill(behind[0].key())
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(f"{afar.base}queues")


def test_page_is_live(afar: Watched, behind: tuple[RealHub, str]) -> None:
    page = afar.open()
    expect(page.locator("#stale")).to_be_hidden()

    behind[0].hub.enqueue("refuse", {"why": "and comes by itself"})

    expect(page.get_by_role("cell", name="ValueError: and comes by itself")).to_be_visible()
