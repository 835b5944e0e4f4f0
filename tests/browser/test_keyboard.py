"""The dashboard without a mouse."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.browser.axe import violations_of
from tests.browser.doing import expect_answered, expect_notice, question_of
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched, wait_ready

from helperhub.web.render import PAGES

_FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  return { text: (at.getAttribute("aria-label") || at.innerText || at.id || at.name || "").trim().slice(0, 80),
           tag: at.tagName, shown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
           width: box.width, height: box.height,
           inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth };
}"""
_OFFERED = """() => [...document.querySelectorAll(
    "a[href], button:not(:disabled), input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
  )].filter((one) => one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true })
    && !one.closest("dialog:not([open])")).length"""


def walk(page: Page) -> int:
    """Go through a page by Tab until it begins anew; return how many places that were, each of them visible."""
    page.evaluate("document.body.focus()")
    first, steps = None, 0
    for _ in range(400):
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUSED)
        if at["tag"] == "BODY" or (
            first is not None and page.evaluate("(one) => one === document.activeElement", first)
        ):
            break
        first = first or page.evaluate_handle("document.activeElement")
        steps += 1
        assert at["shown"], f"nobody sees where the focus is: {at}"
        assert at["width"] > 0, at
        assert at["inside"], f"the focus is out of sight: {at}"
    return steps


@pytest.mark.parametrize("path", ["", "helpers", "helpers/greet", "queues", "alerts", "webhooks", "keys", "statistics"])
def test_everything_is_reached_by_tab_and_seen(someone: Watched, path: str) -> None:
    page = someone.open(path)
    expect(page.locator("main h1").first).to_be_visible()
    for chart in page.locator("[hx-trigger^=load]").all():
        expect(chart.locator("h2").first).to_be_visible()

    steps = walk(page)

    radios = page.evaluate("document.querySelectorAll('input[type=radio]').length")
    assert steps >= page.evaluate(_OFFERED) - radios


def test_skip_link_leads_past_the_navigation(someone: Watched) -> None:
    page = someone.open("queues")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize(("path", "name", "key"), PAGES)
def test_two_keys_go_to_each_page(someone: Watched, path: str, name: str, key: str) -> None:
    page = someone.open("executions" if path != "executions" else "queues")

    page.keyboard.press("g")
    page.keyboard.press(key)

    expect(page).to_have_url(f"{someone.base}{path}")
    expect(page.locator("nav a[aria-current=page]").first).to_have_text(name)


def test_keys_are_listed_and_the_focus_returns(someone: Watched) -> None:
    page = someone.open("queues")
    button = page.get_by_role("button", name="Pause queue default")
    button.focus()

    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    for _, name, key in PAGES:
        expect(page.locator("dialog#keys div", has_text=name)).to_contain_text(key)
    assert violations_of(page) == []
    page.keyboard.press("Escape")

    expect_answered(page)
    expect(button).to_be_focused()


def test_slash_goes_to_the_search_and_keys_are_text_there(someone: Watched) -> None:
    page = someone.open("executions")

    page.keyboard.press("/")
    page.keyboard.type("g?e")

    expect(page.get_by_label("Search", exact=True)).to_have_value("g?e")
    expect_answered(page)
    expect(page).to_have_url(f"{someone.base}executions")


def test_question_is_answered_by_keyboard_and_the_focus_returns(someone: Watched, lived: RealHub) -> None:
    name = f"of {uuid.uuid4().hex[:8]}"
    page = someone.open("webhooks")
    page.get_by_role("button", name="Make a webhook").focus()

    page.keyboard.press("Enter")
    asked = question_of(page)
    expect(asked.get_by_label("Helper")).to_be_focused()
    assert violations_of(page) == []
    page.keyboard.press("Escape")
    expect_answered(page)
    expect(page.get_by_role("button", name="Make a webhook")).to_be_focused()
    page.keyboard.press("Enter")
    expect(question_of(page).get_by_label("Helper")).to_be_focused()
    page.keyboard.type("echo")
    page.keyboard.press("Tab")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator("dialog#ask .secret input")).to_be_focused()
    page.keyboard.press("Escape")

    expect_answered(page)
    assert name in [one["name"] for one in lived.hub.webhooks.all()]
    expect(page.get_by_role("button", name="Make a webhook")).to_be_focused()


def test_from_a_failure_to_its_replay_by_keyboard(someone: Watched, lived: RealHub) -> None:
    one = lived.hub.enqueue("broken", {"why": "by keyboard"})
    lived.hub.wait(one, timeout=timedelta(seconds=60))
    page = someone.open()

    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    page.locator(f'a[href$="executions/{one}"]').focus()
    page.keyboard.press("Enter")
    expect(page.locator(".failure")).to_contain_text("by keyboard")
    wait_ready(page)
    page.get_by_role("button", name="Replay", exact=True).focus()
    page.keyboard.press("Space")

    wait_for(lambda: not lived.hub.dead_letters.is_dead(one), "it is replayed")


def test_switch_keeps_the_focus_though_the_list_is_renewed(someone: Watched, lived: RealHub) -> None:
    page = someone.open("helpers")
    switch = page.get_by_role("switch", name="tuned is planned")
    switch.focus()

    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_be_focused()
    page.keyboard.press("Space")

    expect(switch).to_have_attribute("aria-checked", "true")
    expect(switch).to_be_focused()
    expect_notice(page, "tuned is on")
    assert lived.hub.helpers.show("tuned")["enabled"]


def test_theme_is_switched_and_kept(someone: Watched) -> None:
    page = someone.open("statistics")
    page.emulate_media(color_scheme="light")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="Switch between light and dark").press("Enter")

    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert after != before
    page.reload()
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after
    assert violations_of(page) == []
