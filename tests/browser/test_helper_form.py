"""The form that runs a helper, made from its payload model, and what became of the helper beside it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.axe import violations_of
from tests.browser.conftest import Visit
from tests.browser.launch import PHONE
from tests.browser.running import RealHub
from tests.browser.watch import Watched, overflow_of


def payload_of_started(page: Page, running: RealHub) -> Any:
    started = page.locator("#started a")
    expect(started).to_be_visible()
    return running.hub.wait(started.inner_text(), timeout=timedelta(seconds=30)).payload


def test_form_is_filled_by_keyboard_and_its_execution_given_what_it_says(someone: Watched, lived: RealHub) -> None:
    page = someone.open("helpers/greet")

    page.get_by_label("Name").focus()
    for keys in ("Zoë", "2", "", "Ge"):
        page.keyboard.type(keys)
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_label("Words, one a line").fill("good\nmorning")
    page.get_by_label("City").fill("Ulm")
    page.get_by_label("More, JSON").fill('{"a": 1}')
    page.get_by_label("Password").fill("open sesame")
    page.get_by_role("button", name="Run greet").press("Enter")

    assert payload_of_started(page, lived) == {
        "name": "Zoë",
        "times": 2,
        "language": "German",
        "loud": True,
        "words": ["good", "morning"],
        "place": {"city": "Ulm"},
        "more": {"a": 1},
        "password": "[redacted]",
    }
    expect(page.get_by_label("Name")).to_have_value("Zoë")
    expect(page.get_by_label("Password")).to_have_value("")


def test_what_doesnt_fit_is_said_beside_its_field_which_has_the_focus(someone: Watched) -> None:
    page = someone.open("helpers/greet")

    page.get_by_label("More, JSON").fill("{")
    page.get_by_role("button", name="Run greet").click()

    field = page.get_by_label("More, JSON")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").filter(has_text="It isn't JSON")).to_be_visible()
    assert violations_of(page) == []


@pytest.mark.acts("helper_run.html helpers/-/form/*")
def test_form_is_switched_to_json_and_back(visit: Visit, lived: RealHub) -> None:
    page = visit(lived, viewport=PHONE, is_mobile=True, has_touch=True).open("helpers/greet")
    page.get_by_label("Name").fill("Grace")

    page.get_by_role("button", name="As JSON").click()
    text = page.locator("#run-payload")
    expect(text).to_have_value('{\n  "name": "Grace"\n}')
    text.fill('{"name": "Edsger", "times": 3}')
    page.get_by_role("button", name="As fields").click()

    expect(page.get_by_label("Name")).to_have_value("Edsger")
    expect(page.get_by_role("spinbutton", name="Times")).to_have_value("3")
    assert overflow_of(page) == []


def test_history_and_log_of_a_helper_are_there(someone: Watched) -> None:
    page = someone.open("helpers/greet")

    expect(page.locator("#log .log").first).to_be_visible()
    expect(page.locator("#history svg.calendar")).to_be_visible()
    expect(page.locator("#history svg.spread")).to_be_visible()
    page.locator("#history-table summary").click()
    page.locator("#history-table a").first.click()
    expect(page.get_by_role("heading", name="Executions")).to_be_visible()
    expect(page).to_have_url(re.compile("q=helper%3Agreet%20since"))
