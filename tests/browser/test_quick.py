"""Somebody quicker than the page: what it shows works from the moment it is shown."""

from __future__ import annotations

from tests.browser.doing import expect_answered, expect_notice
from tests.browser.watch import Watched

#: Sends the question's form once it is in the page, before the browser does anything else.
SEND_AT_ONCE = """() => new MutationObserver((_, watcher) => {
  const form = document.querySelector("#ask form");
  if (!form) return;
  watcher.disconnect();
  form.elements.name.value = "At once";
  form.requestSubmit();
}).observe(document.getElementById("ask"), { childList: true })"""


def test_question_is_answered_as_soon_as_it_is_there(someone: Watched) -> None:
    page = someone.open("executions?q=status:expired")
    page.evaluate(SEND_AT_ONCE)

    page.get_by_role("button", name="Save this search").click()

    expect_notice(page, "Saved as At once.")
    expect_answered(page)
    page.get_by_role("button", name="Delete At once").click()
    expect_notice(page, "At once isn't saved any more.")


def test_form_sent_without_scripts_changes_nothing_and_says_so(someone: Watched) -> None:
    page = someone.open("executions?q=status:expired")
    page.get_by_role("button", name="Save this search").click()
    page.locator("#ask form").get_by_label("Name").fill("Unsaid")

    with someone.allowing("status of 403"):
        page.evaluate("HTMLFormElement.prototype.submit.call(document.querySelector('#ask form'))")
        page.get_by_text("Load the page again, and try once more.").wait_for()

    assert "Unsaid" not in page.url
    someone.go(page, "executions")
    assert page.get_by_role("link", name="Unsaid").count() == 0
