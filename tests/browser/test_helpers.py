"""Helpers: found, switched, paused, changed, set back and run."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.browser.axe import violations_of
from tests.browser.doing import executions_of, expect_notice
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched

from helperhub.model.execution import Status


@pytest.fixture(autouse=True)
def _as_declared(lived: RealHub) -> None:
    """Whatever another test has changed of it, the helper that tests change is as its author declared it."""
    if lived.hub.helpers.show("tuned")["override"]:
        lived.hub.helpers.reset("tuned")


@pytest.mark.acts("helper_list.html helpers")
def test_list_is_searched_and_grouped(someone: Watched) -> None:
    page = someone.open("helpers")
    expect(page.get_by_role("link", name="greet", exact=True)).to_be_visible()

    page.get_by_label("Search").fill("tid")

    expect(page.get_by_role("link", name="tidy")).to_be_visible()
    expect(page.get_by_role("link", name="greet", exact=True)).to_have_count(0)
    expect(page).to_have_url(f"{someone.base}helpers?q=tid&state=&group=plugin")
    page.get_by_label("Search").fill("")
    page.get_by_label("Group by").select_option("queue")
    expect(page.get_by_role("heading", name="batches")).to_be_visible()


@pytest.mark.acts("helper_list.html helpers/-/*")
def test_helper_is_switched_off_in_the_list_and_on_by_undo(someone: Watched, lived: RealHub) -> None:
    page = someone.open("helpers")
    switch = page.get_by_role("switch", name="tuned is planned")
    expect(switch).to_have_attribute("aria-checked", "true")

    switch.click()

    expect_notice(page, "tuned is off")
    expect(switch).to_have_attribute("aria-checked", "false")
    assert not lived.hub.helpers.show("tuned")["enabled"]
    page.get_by_role("button", name="Undo").click()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect_notice(page, "tuned is on")
    assert lived.hub.helpers.show("tuned")["enabled"]


@pytest.mark.acts(
    "helper.html helpers/-/disable/*",
    "helper.html helpers/-/enable/*",
    "helper.html helpers/-/pause/*",
    "helper.html helpers/-/resume/*",
)
def test_helper_is_switched_and_paused_on_its_page(someone: Watched, lived: RealHub) -> None:
    page = someone.open("helpers/tuned")

    page.get_by_role("button", name="Disable").click()
    expect_notice(page, "tuned is off")
    assert not lived.hub.helpers.show("tuned")["enabled"]
    page.get_by_role("button", name="Enable").click()
    expect_notice(page, "tuned is on")
    assert lived.hub.helpers.show("tuned")["enabled"]
    page.get_by_role("button", name="Pause").click()
    expect_notice(page, "tuned is paused")
    assert lived.hub.helpers.show("tuned")["paused"]
    page.get_by_role("button", name="Resume").click()
    expect_notice(page, "tuned goes on")
    assert not lived.hub.helpers.show("tuned")["paused"]


def _open_editor(someone: Watched) -> Page:
    page = someone.open("helpers/tuned")
    expect(page.get_by_label("Schedules, one a line")).to_have_value("every 20m")
    return page


@pytest.mark.acts(
    "helper_edit.html helpers/-/preview/*", "helper_edit.html helpers/-/save/*", "helper.html helpers/-/reset/*"
)
def test_schedule_is_previewed_saved_and_set_back(someone: Watched, lived: RealHub) -> None:
    page = _open_editor(someone)

    page.get_by_label("Schedules, one a line").fill("daily 25:00")
    expect(page.locator("#preview .bad")).to_be_visible()
    page.get_by_label("Schedules, one a line").fill("every 7m")
    expect(page.locator("#preview td.new").first).to_be_visible()
    assert "every 7m" not in str(lived.hub.helpers.show("tuned")["schedule"])
    page.get_by_label("Reason").fill("it is too seldom")
    page.get_by_role("button", name="Save").click()

    expect_notice(page, "tuned is changed")
    assert lived.hub.helpers.show("tuned")["override"]
    expect(page.locator("h1 .badge", has_text="changed by hand")).to_be_visible()
    someone.answers.append(True)
    page.get_by_role("button", name="Reset to declared").click()
    expect_notice(page, "tuned is as its author declared it")
    assert not lived.hub.helpers.show("tuned")["override"]
    expect(page.get_by_label("Schedules, one a line")).to_have_value("every 20m")


def test_refused_change_is_told_in_the_form_and_what_was_written_stays(someone: Watched, lived: RealHub) -> None:
    page = _open_editor(someone)

    page.get_by_label("Schedules, one a line").fill("whenever")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#edit [role=alert]")).to_be_visible()
    expect(page.get_by_label("Schedules, one a line")).to_have_value("whenever")
    assert not lived.hub.helpers.show("tuned")["override"]


@pytest.mark.acts("helper_run.html helpers/-/run/*")
def test_helper_is_run_with_a_payload_and_its_execution_opened(someone: Watched, lived: RealHub) -> None:
    page = someone.open("helpers/echo")

    page.get_by_label("Payload, JSON").last.fill('{"by": "hand"}')
    page.get_by_role("button", name="Run echo").click()

    started = page.locator("#started a")
    expect(started).to_be_visible()
    execution_id = started.inner_text()
    assert lived.hub.wait(execution_id, timeout=timedelta(seconds=30)).result == {"by": "hand"}
    started.click()
    expect(page.get_by_role("heading", name="echo success")).to_be_visible()
    assert executions_of(lived.hub, "echo")[0].trigger == "manual"


@pytest.mark.acts("helper_run.html helpers/-/form/*", "helper_run.html helpers/-/run/*")
def test_helper_with_a_model_is_run_by_its_fields_and_what_doesnt_fit_is_told(someone: Watched, lived: RealHub) -> None:
    page = someone.open("helpers/greet")
    run = page.locator("#run")
    run.get_by_label("name").fill("Barbara")
    run.get_by_role("button", name="As JSON").click()
    expect(run.get_by_label("Payload, JSON")).to_have_value(re.compile("Barbara"))
    run.get_by_label("Payload, JSON").fill('{"name": "Barbara", "times": 1000}')
    run.get_by_role("button", name="Run greet").click()
    expect(run.locator("#run-flaws")).to_contain_text("times")
    run.get_by_role("button", name="As fields").click()
    run.get_by_label("times").fill("2")
    assert violations_of(page) == []
    run.get_by_role("button", name="Run greet").click()

    started = page.locator("#started a")
    expect(started).to_be_visible()
    done = lived.hub.wait(started.inner_text(), timeout=timedelta(seconds=30))
    assert done.result == "hello Barbara hello Barbara"


def test_payload_that_is_no_json_starts_nothing(someone: Watched, lived: RealHub) -> None:
    before = len(executions_of(lived.hub, "tuned"))
    page = someone.open("helpers/tuned")

    page.get_by_label("Payload, JSON").last.fill("{")
    page.get_by_role("button", name="Run tuned").click()

    expect(page.locator("#started .bad")).to_be_visible()
    assert len(executions_of(lived.hub, "tuned")) == before


@pytest.mark.acts("execution.html executions/*/cancel", "execution.html executions/*/replay")
def test_running_execution_shows_progress_is_cancelled_and_replayed(someone: Watched, lived: RealHub) -> None:
    execution_id = lived.hub.enqueue("slow")
    page = someone.open(f"executions/{execution_id}")
    expect(page.get_by_role("progressbar")).to_be_visible()

    someone.answers.append(True)
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("heading", name="slow cancelled")).to_be_visible()
    assert lived.hub.executions.get(execution_id).status is Status.CANCELLED
    page.get_by_role("button", name="Replay").click()
    wait_for(lambda: executions_of(lived.hub, "slow")[0].replay_of == execution_id, "it is replayed")
    lived.hub.executions.cancel(executions_of(lived.hub, "slow")[0].id, reason="seen")


def test_id_is_copied(someone: Watched, lived: RealHub) -> None:
    someone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    execution_id = executions_of(lived.hub, "flaky")[0].id
    page = someone.open(f"executions/{execution_id}")

    page.get_by_role("button", name="Copy id").click()

    expect_notice(page, "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == execution_id
