"""Every page opens as it should, for everybody who looks at it."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect
from tests.browser.axe import violations_of
from tests.browser.conftest import Visit
from tests.browser.launch import PHONE
from tests.browser.places import ALL, find_place
from tests.browser.running import RealHub
from tests.browser.watch import Watched, overflow_of

#: What Chromium says of the page that isn't there.
NOT_FOUND = "status of 404"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MOST_BYTES = 300_000


def look(watched: Watched, running: RealHub, name: str) -> Page:
    """Open a page and wait until what it asks for is there."""
    watched.allowed.append(NOT_FOUND) if name == "nothing-there" else None
    page = watched.open(find_place(running.hub, name))
    expect(page.locator("main h1").first).to_be_visible()
    for chart in page.locator("[hx-trigger^=load]").all():
        expect(chart.locator("h2").first).to_be_visible()
    return page


@pytest.mark.parametrize("name", ALL)
def test_page_opens_without_error_for_everybody_in_both_themes_and_on_a_phone(
    visit: Visit, lived: RealHub, name: str
) -> None:
    watched = visit(lived)

    page = look(watched, lived, name)

    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert violations_of(page) == [], theme
    assert overflow_of(page) == []
    page.set_viewport_size(PHONE)
    assert overflow_of(page) == []
    assert violations_of(page) == []


@pytest.mark.parametrize("path", ["workers", "settings"])
def test_navigation_of_a_phone_shows_where_it_is(visit: Visit, lived: RealHub, path: str) -> None:
    page = visit(lived, viewport=PHONE, is_mobile=True, has_touch=True).open(path)

    expect(page.locator("nav a[aria-current=page]").first).to_be_in_viewport()


def test_sign_in_is_for_everybody(chromium: Any, lived: RealHub, visit: Visit) -> None:
    watched = visit(lived)
    watched.context.clear_cookies()

    page = watched.open()

    expect(page).to_have_url(f"{lived.url}/ui/sign-in?next=/ui/")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert violations_of(page) == [], theme


@pytest.mark.parametrize("path", ["", "helpers", "helpers/greet", "executions", "timeline", "statistics"])
def test_first_page_and_every_other_weighs_little(visit: Visit, lived: RealHub, path: str) -> None:
    watched = visit(lived)
    page = watched.context.new_page()
    session = watched.context.new_cdp_session(page)
    session.send("Network.enable")
    weights: list[float] = []
    session.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))

    watched.go(page, path)

    expect(page.locator("main h1").first).to_be_visible()
    assert len(weights) >= 6
    assert sum(weights) < MOST_BYTES
