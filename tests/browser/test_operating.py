"""Queues, workers and alerts: paused, resumed, purged, taken on, changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.doing import audited, expect_answered, expect_notice, forget_confirmation, question_of
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched

from helperhub import Hub
from helperhub.model.execution import Status

HOUR = timedelta(hours=1)


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("table").first.locator("tr", has_text=text)


@pytest.fixture
def batches(lived: RealHub) -> Iterator[Hub]:
    """The hub, with a queue of that name that is claimed from."""
    lived.hub.wait(lived.hub.enqueue("batch"), timeout=timedelta(seconds=60))
    yield lived.hub
    lived.hub.queues.resume("batches")


def is_paused(hub: Hub, name: str) -> bool:
    (found,) = [one for one in hub.queues.all() if one.name == name]
    return found.paused


@pytest.mark.acts("queues.html queues/*")
def test_queue_is_paused_and_resumed(someone: Watched, batches: Hub) -> None:
    page = someone.open("queues")

    page.get_by_role("button", name="Pause queue batches").click()
    expect_notice(page, "Queue batches is paused")
    assert is_paused(batches, "batches")
    waiting = batches.enqueue("batch")
    page.get_by_role("button", name="Resume queue batches").click()

    expect_notice(page, "Queue batches is claimed from again.")
    assert batches.wait(waiting, timeout=timedelta(seconds=30)).status is Status.SUCCESS


@pytest.mark.acts("queues.html queues/purge", "ask.html *")
def test_queue_is_purged_after_the_key_was_shown_once_more(someone: Watched, lived: RealHub, batches: Hub) -> None:
    batches.queues.pause("batches")
    waiting = [batches.enqueue("batch") for _ in range(3)]
    forget_confirmation(someone, batches)
    page = someone.open("queues")

    page.get_by_role("button", name="Purge queue batches").click()
    asked = question_of(page)
    expect(asked).to_contain_text("3 executions wait in it now")
    asked.get_by_label("Why").fill("they were wrong")
    asked.get_by_label("Your API key, once more").fill("hh_live_wrong")
    asked.get_by_role("button", name="Cancel 3 executions").click()
    expect(asked.get_by_role("alert")).to_be_visible()
    assert {batches.executions.get(one).status for one in waiting} == {Status.QUEUED}
    expect(asked.get_by_label("Your API key, once more")).to_be_focused()
    asked.get_by_label("Your API key, once more").fill(someone.key)
    asked.get_by_role("button", name="Cancel 3 executions").click()

    expect_notice(page, "3 executions of queue batches were cancelled.")
    expect_answered(page)
    assert {batches.executions.get(one).status for one in waiting} == {Status.CANCELLED}
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "batches").locator('[data-label="Waiting"]')).to_have_text("3")


@pytest.mark.acts("workers.html workers/*")
def test_worker_is_paused_and_resumed(someone: Watched, lived: RealHub) -> None:
    (worker,) = lived.hub.workers.all()
    page = someone.open("workers")

    try:
        page.get_by_role("button", name=f"Pause {worker['id']}").click()
        expect_notice(page, "claims nothing more")
        expect(page.locator(".badge.paused").first).to_be_visible()
        waiting = lived.hub.enqueue("echo", {"after": "the pause"})
        page.get_by_role("button", name=f"Resume {worker['id']}").click()
        expect_notice(page, "claims again")
    finally:
        lived.hub.workers.resume(worker["id"])

    assert lived.hub.wait(waiting, timeout=timedelta(seconds=30)).status is Status.SUCCESS


@pytest.mark.acts("alerts.html alerts/acknowledge", "ask.html *")
def test_alert_is_taken_on(someone: Watched, lived: RealHub) -> None:
    (alert,) = [one for one in lived.hub.alerts.all() if "refuse" in one["text"] and one["rule"] == "dead_letters"]
    page = someone.open("alerts")

    row(page, "refuse").get_by_role("button", name="Take on").click()
    asked = question_of(page)
    asked.get_by_label("What the others should know").fill("on it")
    asked.get_by_role("button", name="Take it on").click()

    expect_notice(page, "You have taken it on")
    assert lived.hub.alerts.show(alert["id"])["note"] == "on it"
    expect(page.get_by_text("took it on").first).to_be_visible()


@pytest.mark.acts("alerts.html alerts/rule", "alerts.html alerts/reset", "ask.html *")
def test_threshold_is_changed_and_set_back(someone: Watched, lived: RealHub) -> None:
    page = someone.open("alerts")

    page.get_by_role("button", name="Change queue_depth").click()
    asked = question_of(page)
    asked.get_by_role("textbox").first.fill("many")
    asked.locator("button[type=submit]").click()
    expect(asked.get_by_role("alert")).to_contain_text("can't be a threshold")
    asked.get_by_role("textbox").first.fill("700")
    asked.locator("button[type=submit]").click()

    expect_notice(page, "Rule queue_depth fires above 700")
    rules = {one["rule"]: one for one in lived.hub.alerts.rules()}
    assert rules["queue_depth"]["threshold"] == 700
    page.get_by_role("button", name="Set queue_depth back").click()
    expect_notice(page, "fires above what is set again")
    rules = {one["rule"]: one for one in lived.hub.alerts.rules()}
    assert rules["queue_depth"]["threshold"] == rules["queue_depth"]["setting"]


@pytest.mark.acts("alerts.html alerts/test")
def test_alert_is_tried_out(someone: Watched, lived: RealHub) -> None:
    before = len(audited(lived.hub, "alert.test"))
    page = someone.open("alerts")

    page.get_by_role("button", name="Send a test").click()

    expect_notice(page, "A message goes to all targets")
    wait_for(lambda: len(audited(lived.hub, "alert.test")) == before + 1, "the audit has it")
