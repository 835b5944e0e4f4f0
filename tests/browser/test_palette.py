"""The command palette: opened and left by keys, it goes anywhere and does what the page at hand offers."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.axe import violations_of
from tests.browser.conftest import Visit
from tests.browser.doing import question_of
from tests.browser.launch import PHONE
from tests.browser.running import RealHub
from tests.browser.watch import Watched, overflow_of, wait_ready

from helperhub.model.access import Scope

SOON = timedelta(seconds=60)


def opened(page: Page, key: str = "Control+k") -> Locator:
    wait_ready(page)
    page.keyboard.press(key)
    found = page.locator("#palette[open]")
    expect(found.get_by_role("combobox")).to_be_focused()
    return found


def chosen(palette: Locator) -> Locator:
    return palette.get_by_role("option", selected=True)


@pytest.mark.parametrize("key", ["Control+k", "Meta+k", ":"])
def test_page_is_gone_to_by_its_name(someone: Watched, key: str) -> None:
    page = someone.open()

    palette = opened(page, key)
    page.keyboard.type("dead")
    expect(chosen(palette)).to_contain_text("Dead letters")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()


def test_arrows_choose_and_the_field_says_which(someone: Watched) -> None:
    page = someone.open()
    palette = opened(page)
    field, rows = palette.get_by_role("combobox"), palette.get_by_role("option")

    for key, place in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("ArrowUp", 0), ("ArrowUp", -1)):
        page.keyboard.press(key)
        expect(rows.nth(place)).to_have_attribute("aria-selected", "true")
        expect(field).to_have_attribute("aria-activedescendant", rows.nth(place).get_attribute("id") or "")
    expect(chosen(palette)).to_have_count(1)

    page.keyboard.press("Escape")
    expect(page.locator("#palette[open]")).to_have_count(0)


def test_helper_and_execution_are_gone_to(someone: Watched, lived: RealHub) -> None:
    id_ = str(lived.hub.enqueue("echo", {"n": 1}))
    lived.hub.wait(id_, timeout=SOON)
    page = someone.open("helpers")

    palette = opened(page)
    page.keyboard.type("refu")
    palette.get_by_role("option", name="Helper refuse").click()
    expect(page.get_by_role("heading", name="refuse").first).to_be_visible()

    palette = opened(page)
    palette.get_by_role("combobox").fill(id_)
    expect(palette.get_by_role("option", name=f"Execution {id_}")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="echo success")).to_be_visible()


def test_what_the_page_offers_is_done(someone: Watched) -> None:
    page = someone.open("executions?q=helper:refuse")

    opened(page)
    page.keyboard.type("replay all")
    page.keyboard.press("Enter")

    expect(question_of(page).get_by_role("heading")).to_have_text(re.compile("^Replay "))


def test_only_what_may_be_done_is_offered(visit: Visit, lived: RealHub) -> None:
    page = visit(lived, Scope.READ).open("executions?q=helper:refuse")

    palette = opened(page)
    page.keyboard.type("all matching")

    expect(palette.get_by_role("option", name="Search")).to_be_visible()
    expect(palette.get_by_role("option", name="Here")).to_have_count(0)


def test_nothing_that_is_typed_is_markup(someone: Watched) -> None:
    page = someone.open()
    palette = opened(page)

    page.keyboard.type('<img src=x onerror="document.title=1">')

    expect(palette.get_by_role("option")).to_contain_text(["<img src=x"])
    expect(palette.locator("img")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_palette_is_for_everybody_and_fits_a_phone(visit: Visit, lived: RealHub, theme: str) -> None:
    page = visit(lived, viewport=PHONE, color_scheme=theme).open()

    page.get_by_role("button", name="Go to").click()
    page.keyboard.type("re")

    expect(page.locator("#palette").get_by_role("option", name="Search")).to_be_visible()
    assert violations_of(page) == []
    assert overflow_of(page) == []
