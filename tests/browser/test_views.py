"""Saved searches: saved, opened, renamed, deleted and brought back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.browser.doing import expect_notice, question_of
from tests.browser.watch import Watched, wait_ready

QUERY = "helper:refuse status:error since:7d"


@pytest.mark.acts(
    "executions.html executions/views/save",
    "executions.html executions/views/rename",
    "executions.html executions/views/delete",
)
def test_search_is_saved_renamed_deleted_and_brought_back(someone: Watched) -> None:
    page = someone.open("executions")
    page.get_by_label("Search", exact=True).fill(QUERY)
    page.get_by_label("Search", exact=True).press("Enter")
    expect(page).to_have_url(re.compile("q=helper"))
    wait_ready(page)

    page.get_by_role("button", name="Save this search").press("Enter")
    question_of(page).get_by_label("Name").fill("Refused")
    page.keyboard.press("Enter")
    expect_notice(page, "Saved as Refused.")
    page.get_by_role("button", name="Rename Refused").press("Enter")
    question_of(page).get_by_label("Name").fill("Not shipped")
    page.keyboard.press("Enter")
    expect_notice(page, "It is called Not shipped now.")

    page.goto(page.url.partition("?")[0])
    page.get_by_role("link", name="Not shipped").click()
    expect(page.get_by_label("Search", exact=True)).to_have_value(QUERY)
    page.get_by_role("button", name="Delete Not shipped").click()
    expect_notice(page, "Not shipped isn't saved any more.")
    expect(page.get_by_role("link", name="Not shipped")).to_have_count(0)
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Not shipped")).to_be_visible()
