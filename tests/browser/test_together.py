"""Two people at once: what one does, the other's page shows by itself."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tests.browser.running import RealHub


def test_what_one_switches_the_other_sees(visit: Visit, lived: RealHub) -> None:
    here, there = visit(lived).open("helpers/tuned"), visit(lived).open("helpers")
    switch = there.get_by_role("switch", name="tuned is planned")
    expect(switch).to_have_attribute("aria-checked", "true")

    here.get_by_role("button", name="Disable").click()
    expect(switch).to_have_attribute("aria-checked", "false")
    here.get_by_role("button", name="Enable").click()

    expect(switch).to_have_attribute("aria-checked", "true")


def test_what_one_starts_the_other_sees_end(visit: Visit, lived: RealHub) -> None:
    here, there = visit(lived).open("helpers/broken"), visit(lived).open()
    expect(there.get_by_role("heading", name="Failed in the last hour")).to_be_visible()

    here.get_by_label("Payload, JSON").last.fill('{"why": "seen from afar"}')
    here.get_by_role("button", name="Run broken").click()

    expect(there.get_by_role("cell", name="ValueError: seen from afar").first).to_be_visible()
    lived.hub.dead_letters.delete_all(helper="broken")


def test_what_one_replays_is_gone_from_the_others_list(visit: Visit, lived: RealHub) -> None:
    one = lived.hub.enqueue("broken", {"why": "both look at it"})
    lived.hub.wait(one, timeout=timedelta(seconds=60))
    here, there = (visit(lived).open("dead?helper=broken") for _ in range(2))
    letter = f'tr:has(a[href$="executions/{one}"])'
    expect(there.locator(letter)).to_be_visible()

    here.locator(letter).get_by_role("button", name="Replay").click()

    expect(here.locator(letter)).to_have_count(0)
    expect(there.locator(letter)).to_have_count(0, timeout=45_000)


def test_who_is_late_is_told(visit: Visit, lived: RealHub) -> None:
    first, second = visit(lived), visit(lived)
    here, there = first.open("helpers/tuned"), second.open("helpers/tuned")

    here.get_by_label("Schedules, one a line").fill("every 9m")
    here.get_by_role("button", name="Save").click()
    expect(here.locator("#notice")).to_contain_text("tuned is changed")
    there.get_by_label("Schedules, one a line").fill("every 8m")
    there.get_by_role("button", name="Save").click()

    expect(there.locator("#edit [role=alert]")).to_contain_text("was changed since you opened this page")
    first.answers.append(True)
    here.get_by_role("button", name="Reset to declared").click()
    expect(here.locator("#notice")).to_contain_text("as its author declared it")
