"""Dead letters: one, those of a cause and all of a helper, replayed, edited and deleted."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.doing import executions_of, expect_answered, expect_notice, question_of
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched

from helperhub.services.dead_letters import DeadFilter

OF_BROKEN = DeadFilter("broken")
#: Nothing of these would be told apart by a number or a text in quotes.
KINDS = ("value", "key", "time")


@pytest.fixture
def hub(lived: RealHub) -> Iterator[RealHub]:
    """The hub, without dead letters of the helper that this is about."""
    lived.hub.dead_letters.delete_matching(OF_BROKEN)
    yield lived
    lived.hub.dead_letters.delete_matching(OF_BROKEN)


def give_up(running: RealHub, *kinds: str) -> list[str]:
    """Have executions given up, each for a cause of these kinds."""
    why = f"torn {uuid.uuid4().hex[:6]}"
    ids = [str(running.hub.enqueue("broken", {"why": why, "kind": kind})) for kind in kinds]
    for execution_id in ids:
        running.hub.wait(execution_id, timeout=timedelta(seconds=60))
        assert running.hub.dead_letters.is_dead(execution_id)
    return ids


def row(page: Page, execution_id: str) -> Locator:
    return page.locator("tr", has=page.locator(f'a[href$="executions/{execution_id}"]'))


def group(page: Page, kind: str) -> Locator:
    return page.get_by_role("region", name="Dead letters by cause").locator("tr", has_text=f"{kind}: torn")


def replays_of(running: RealHub, execution_id: str) -> list[str]:
    return [one.id for one in executions_of(running.hub, "broken") if one.replay_of == execution_id]


@pytest.mark.acts("dead.html dead/*/replay", "dead.html dead/*/delete")
def test_one_is_replayed_and_one_deleted_and_that_undone(someone: Watched, hub: RealHub) -> None:
    replayed, deleted, kept = give_up(hub, *KINDS)
    page = someone.open("dead?helper=broken")

    row(page, replayed).get_by_role("button", name="Replay").click()
    expect_notice(page, "Put back as")
    expect(row(page, replayed)).to_have_count(0)
    someone.answers.append(True)
    row(page, deleted).get_by_role("button", name="Delete").click()
    expect_notice(page, "1 dead letter deleted.")
    expect(row(page, deleted)).to_have_count(0)

    page.get_by_role("button", name="Undo").click()
    wait_for(lambda: hub.hub.dead_letters.is_dead(deleted), "it is a dead letter again")
    expect(row(page, deleted)).to_have_count(1)
    assert len(replays_of(hub, replayed)) == 1
    assert replays_of(hub, deleted) == []
    assert hub.hub.dead_letters.is_dead(kept)


@pytest.mark.acts("dead.html dead/ask", "dead_ask.html dead/*")
def test_those_of_a_cause_are_replayed_at_a_rate(someone: Watched, hub: RealHub) -> None:
    *of_it, other = give_up(hub, "value", "value", "key")
    page = someone.open("dead?helper=broken")

    group(page, "ValueError").get_by_role("button", name="Replay").click()
    asked = question_of(page)
    expect(asked.get_by_role("heading")).to_have_text("Replay 2 dead letters?")
    asked.get_by_label("At most so many").fill("50/s")
    asked.get_by_role("button", name="Replay 2 dead letters").click()

    page.wait_for_url(re.compile(r"/ui/executions/.+"))
    wait_for(lambda: all(replays_of(hub, one) for one in of_it), "they are replayed")
    assert hub.hub.dead_letters.is_dead(other)


@pytest.mark.acts("dead.html dead/ask", "dead_ask.html dead/*")
def test_those_of_a_cause_and_then_all_are_deleted(someone: Watched, hub: RealHub) -> None:
    first, second, third = give_up(hub, *KINDS)
    page = someone.open("dead?helper=broken")

    group(page, "LookupError").get_by_role("button", name="Delete").click()
    question_of(page).get_by_role("button", name="Delete 1 dead letter").click()
    expect_notice(page, "1 dead letter deleted.")
    expect_answered(page)
    assert [hub.hub.dead_letters.is_dead(one) for one in (first, second, third)] == [True, False, True]
    expect(group(page, "LookupError")).to_have_count(0)
    page.get_by_role("button", name="Delete all…").click()
    question_of(page).get_by_role("button", name="Delete 2 dead letters").click()

    expect_notice(page, "2 dead letters deleted.")
    assert hub.hub.dead_letters.groups(OF_BROKEN).groups == []


@pytest.mark.acts("dead.html dead/ask", "dead_ask.html dead/*")
def test_all_are_replayed(someone: Watched, hub: RealHub) -> None:
    ids = give_up(hub, "value", "key")
    page = someone.open("dead?helper=broken")

    page.get_by_role("button", name="Replay all…").click()
    asked = question_of(page)
    asked.get_by_label("Stop if the first").fill("")
    asked.get_by_role("button", name="Replay 2 dead letters").click()

    page.wait_for_url(re.compile(r"/ui/executions/.+"))
    wait_for(lambda: all(replays_of(hub, one) for one in ids), "they are replayed")


@pytest.mark.acts("dead_ask.html dead/*")
def test_rate_that_is_none_is_told_in_the_question(someone: Watched, hub: RealHub) -> None:
    (one,) = give_up(hub, "value")
    page = someone.open("dead?helper=broken")

    page.get_by_role("button", name="Replay all…").click()
    asked = question_of(page)
    asked.get_by_label("At most so many").fill("fast")
    with someone.allowing("status of 400", "Response Status Error Code 400"):
        asked.get_by_role("button", name="Replay 1 dead letter").click()
        expect(asked.locator("[data-problem]")).to_contain_text("is not a rate")

    assert hub.hub.dead_letters.is_dead(one)


@pytest.mark.acts("dead_edit.html dead/*/edit")
def test_one_is_edited_and_replayed_after_what_doesnt_fit_was_told(someone: Watched, hub: RealHub) -> None:
    (one,) = give_up(hub, "value")
    page = someone.open("dead?helper=broken")
    row(page, one).get_by_role("link", name="Edit").click()
    page.get_by_label("Payload, JSON").fill("{")
    with someone.allowing("status of 4", "Response Status Error Code 4"):
        page.get_by_role("button", name="Replay with this payload").click()
        expect(page.locator("#payload-problem")).to_contain_text("no JSON")

    page.get_by_label("Payload, JSON").fill('{"mended": true}')
    page.get_by_role("button", name="Replay with this payload").click()

    expect(page.get_by_role("heading", name="broken success")).to_be_visible()
    new = hub.hub.executions.get(page.url.rpartition("/")[2])
    assert (new.replay_of, new.payload, new.result) == (one, {"mended": True}, "mended")


def test_why_it_failed_is_on_its_page_and_it_is_replayed_from_there(someone: Watched, hub: RealHub) -> None:
    (one,) = give_up(hub, "time")
    page = someone.open("dead?helper=broken")

    row(page, one).get_by_role("link", name="broken").click()
    expect(page.locator(".failure")).to_contain_text("TimeoutError: torn")
    page.get_by_text("Traceback", exact=True).click()
    expect(page.locator("details pre").first).to_contain_text("helperhub_browsed.py")
    page.get_by_role("button", name="Replay", exact=True).click()

    expect(page.get_by_role("heading", name="broken").first).to_be_visible()
    wait_for(lambda: replays_of(hub, one), "it is replayed")
