"""Executions: searched, chosen, all matching; replayed, cancelled, exported."""

from __future__ import annotations

import csv
import json
import uuid
from datetime import timedelta
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.doing import executions_of, expect_answered, expect_notice, question_of
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched

from helperhub.model.execution import Status

SOON = timedelta(seconds=60)
HOUR = timedelta(hours=1)


def enqueue(running: RealHub, *, number: int = 1, delay: timedelta | None = None) -> tuple[str, list[str]]:
    """Enqueue some that a word of their own finds; return the word and their ids, oldest first."""
    word = f"w{uuid.uuid4().hex[:10]}"
    found = [str(running.hub.enqueue("echo", {"word": word, "n": n}, delay=delay)) for n in range(number)]
    if delay is None:
        for execution_id in found:
            running.hub.wait(execution_id, timeout=SOON)
    return word, found


def replays_of(running: RealHub, execution_id: str) -> list[str]:
    return [one.id for one in executions_of(running.hub, "echo") if one.replay_of == execution_id]


def search(someone: Watched, text: str, rows: int) -> Page:
    page = someone.open(f"executions?q={quote(text)}")
    expect(page.locator("#rows tbody tr")).to_have_count(rows)
    return page


@pytest.mark.acts("executions.html executions", "executions.html executions/suggest")
def test_history_is_searched_with_suggestions(someone: Watched, lived: RealHub) -> None:
    page = someone.open("executions")

    field = page.get_by_label("Search", exact=True)
    field.press_sequentially("helper:ref")
    expect(page.locator('#suggestions option[value*="helper:refuse"]')).to_have_count(1)
    field.fill('helper:refuse status:error since:2h "shipped"')
    page.get_by_role("button", name="Search").click()

    expect(page.locator("#rows tbody tr")).to_have_count(3)
    expect(page.locator("#rows td.why").first).to_contain_text("can't be shipped")
    page.get_by_role("link", name="refuse").first.click()
    expect(page.get_by_role("heading", name="refuse error")).to_be_visible()


def test_search_that_cant_be_understood_is_told(someone: Watched) -> None:
    with someone.allowing("status of 400"):
        page = someone.open("executions?q=status:odd")

        expect(page.locator("#search-problem")).to_be_visible()


@pytest.mark.acts("executions.html executions/ask", "executions_ask.html executions/*")
def test_chosen_ones_are_replayed(someone: Watched, lived: RealHub) -> None:
    word, (first, second, left) = enqueue(lived, number=3)
    page = search(someone, f"helper:echo {word}", 3)
    replay = page.get_by_role("button", name="Replay…", exact=True)
    expect(replay).to_be_disabled()

    for execution_id in (first, second):
        page.locator(f'input[name="id:{execution_id}"]').check()
    expect(page.locator("[data-chosen]")).to_have_text("2 chosen")
    replay.click()
    asked = question_of(page)
    expect(asked.get_by_role("heading")).to_have_text("Replay 2 executions?")
    asked.get_by_role("button", name="Replay 2 executions").click()

    expect_notice(page, "2 executions put back")
    expect_answered(page)
    wait_for(lambda: all(replays_of(lived, one) for one in (first, second)), "they are replayed")
    assert replays_of(lived, left) == []
    expect(page.locator("[data-chosen]")).to_have_text("None chosen")


@pytest.mark.acts("executions.html executions/ask", "executions_ask.html executions/*")
def test_all_that_match_are_cancelled_and_replayed(someone: Watched, lived: RealHub) -> None:
    delayed = enqueue(lived, number=2, delay=HOUR)[1]
    page = search(someone, "helper:echo status:queued", 2)

    page.get_by_role("button", name="Cancel all matching…").click()
    asked = question_of(page)
    expect(asked.get_by_role("listitem")).to_have_text(["2 echo (queued)"])
    asked.get_by_role("button", name="Cancel 2 executions").click()
    expect_notice(page, "2 executions cancelled")
    assert {lived.hub.executions.get(one).status for one in delayed} == {Status.CANCELLED}

    word, done = enqueue(lived, number=2)
    page = search(someone, f"helper:echo {word}", 2)
    page.get_by_role("button", name="Replay all matching…").click()
    question_of(page).get_by_role("button", name="Replay 2 executions").click()
    expect_notice(page, "2 executions put back")
    wait_for(lambda: all(replays_of(lived, one) for one in done), "they are replayed")


@pytest.mark.acts("executions.html executions/ask")
def test_question_that_is_left_changes_nothing(someone: Watched, lived: RealHub) -> None:
    word, (one,) = enqueue(lived)
    page = search(someone, f"helper:echo {word}", 1)

    page.get_by_label("Choose all on this page").check()
    page.get_by_role("button", name="Replay…", exact=True).click()
    question_of(page).get_by_role("button", name="Leave it").click()

    expect_answered(page)
    expect(page.locator("[data-chosen]")).to_have_text("1 chosen")
    assert replays_of(lived, one) == []


@pytest.mark.acts(
    "executions.html executions/views/save",
    "executions.html executions/views/rename",
    "executions.html executions/views/delete",
    "ask.html *",
)
def test_search_is_saved_renamed_and_deleted_and_that_undone(visit: Visit, lived: RealHub) -> None:
    someone = visit(lived)
    page = search(someone, "helper:flaky", 1)
    saved = page.get_by_role("list", name="Saved searches")

    page.get_by_role("button", name="Save this search…").click()
    question_of(page).get_by_label("Name").fill("Shaky")
    question_of(page).get_by_role("button", name="Save").click()
    expect(saved.get_by_role("link", name="Shaky")).to_be_visible()
    page.get_by_role("button", name="Rename Shaky…").click()
    question_of(page).get_by_label("Name").fill("Shakier")
    question_of(page).get_by_role("button", name="Rename").click()
    expect(saved.get_by_role("link", name="Shakier")).to_be_visible()
    page.get_by_role("button", name="Delete Shakier").click()
    expect_notice(page, "isn't saved any more")
    expect(saved.get_by_role("link", name="Shakier")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()

    expect(saved.get_by_role("link", name="Shakier")).to_be_visible()
    someone.go(page, "executions")
    saved.get_by_role("link", name="Shakier").click()
    expect(page.get_by_label("Search", exact=True)).to_have_value("helper:flaky")


@pytest.mark.acts("executions.html executions/export")
def test_what_was_found_is_exported(someone: Watched, lived: RealHub) -> None:
    word, ids = enqueue(lived, number=2)
    page = search(someone, f"helper:echo {word}", 2)

    with page.expect_download() as rows:
        page.get_by_role("link", name="CSV").click()
    with page.expect_download() as lines:
        page.get_by_role("link", name="JSON lines").click()

    with rows.value.path().open(newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == set(ids)
    assert {json.loads(line)["id"] for line in lines.value.path().read_text().splitlines()} == set(ids)
