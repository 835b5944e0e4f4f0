"""The timeline: searched and zoomed; what is planned is run, skipped and moved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched

from helperhub import Hub
from helperhub.model.execution import Execution, Status


def planned(hub: Hub, place: int) -> Execution:
    """Return one that is planned, of a helper that nobody else touches."""
    return hub.plan.upcoming(helper="tidy")[place]


@pytest.mark.acts("timeline.html timeline")
def test_lanes_are_searched_and_zoomed(someone: Watched) -> None:
    page = someone.open("timeline")
    expect(page.locator(".lane-name", has_text="greet")).to_be_visible()

    page.get_by_label("Helpers").fill("tid")
    expect(page.locator(".lane-name")).to_have_text(["tidy"])
    page.get_by_label("30 min").check()

    expect(page).to_have_url(f"{someone.base}timeline?q=tid&span=30m")
    expect(page.locator(".lane-name")).to_have_text(["tidy"])


@pytest.mark.acts("timeline.html timeline/run/*", "timeline.html timeline/skip/*")
def test_planned_ones_are_run_and_skipped_from_the_list(someone: Watched, lived: RealHub) -> None:
    page = someone.open("timeline?q=tidy&span=6h&rows=all")
    now, never = planned(lived.hub, -1), planned(lived.hub, -2)

    page.locator(f'[id="run-{now.id}"]').click()
    expect(page.locator(f'[id="run-{now.id}"]')).to_have_count(0)
    assert lived.hub.wait(now.id, timeout=timedelta(seconds=30)).status is Status.SUCCESS
    someone.answers.append(True)
    page.locator(f'[id="skip-{never.id}"]').click()

    expect(page.locator(f'[id="skip-{never.id}"]')).to_have_count(0)
    assert "Skip one execution of tidy" in someone.asked[0]
    wait_for(lambda: lived.hub.executions.get(never.id).status is Status.SKIPPED, "it is skipped")


def test_question_that_is_denied_skips_nothing(someone: Watched, lived: RealHub) -> None:
    page = someone.open("timeline?q=tidy&span=6h&rows=all")
    kept = planned(lived.hub, -1)

    someone.answers.append(False)
    page.locator(f'[id="skip-{kept.id}"]').click()

    wait_for(lambda: someone.asked, "it is asked")
    page.reload()
    expect(page.locator(f'[id="skip-{kept.id}"]')).to_be_visible()
    assert lived.hub.executions.get(kept.id).status is Status.PLANNED


@pytest.mark.acts("planned_move.html timeline/move/*", "planned.html timeline/run/*")
def test_planned_one_is_moved_and_run_from_its_page(someone: Watched, lived: RealHub) -> None:
    one = planned(lived.hub, 2)
    page = someone.open("timeline?q=tidy&span=6h&rows=all")
    page.get_by_role("link", name=f"Move tidy, due at {one.to_document()['due_at']}").click()

    page.get_by_label("To when").fill("whenever")
    page.get_by_role("button", name="Move").click()
    expect(page.locator("#move [role=alert]")).to_be_visible()
    page.get_by_label("To when").fill("119m")
    page.get_by_label("Reason").fill("the shop is closed")
    page.get_by_role("button", name="Move").click()

    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    moved = lived.hub.executions.get(one.id)
    assert moved.due_at is not None
    assert one.due_at is not None
    assert moved.due_at > one.due_at
    someone.go(page, f"timeline/planned/{one.id.replace('@', '%40')}")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    assert lived.hub.wait(one.id, timeout=timedelta(seconds=30)).status is Status.SUCCESS


@pytest.mark.acts("planned.html timeline/skip/*")
def test_planned_one_is_skipped_from_its_page(someone: Watched, lived: RealHub) -> None:
    one = planned(lived.hub, 3)
    page = someone.open(f"timeline/planned/{one.id.replace('@', '%40')}")

    someone.answers.append(True)
    page.get_by_role("button", name="Skip").click()

    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    wait_for(lambda: lived.hub.executions.get(one.id).status is Status.SKIPPED, "it is skipped")


def test_bar_leads_to_its_execution(someone: Watched, lived: RealHub) -> None:
    page = someone.open("timeline?q=refuse")

    page.locator("svg a rect.bar.error").first.click()

    expect(page.get_by_role("heading", name="refuse").first).to_be_visible()
