"""The timeline: what ran and what comes, who sees which lanes, and what a person does about a planned execution."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.api.conftest import Api, Serve
from tests.integration.web.conftest import Browser

from helperhub import Every, RetryPolicy, helper
from helperhub.model.access import Scope
from helperhub.model.instant import parse_instant, to_rfc3339

HOSTILE = "</title><script>alert(1)</script>"


@helper(schedule=Every(timedelta(minutes=10)))
def often(ctx: Any) -> None:
    """Do nothing."""


@helper(schedule=Every(timedelta(minutes=15)), queue="low")
def seldom(ctx: Any) -> None:
    """Do nothing."""


@helper(schedule=Every(timedelta(seconds=20)))
def rapid(ctx: Any) -> None:
    """Do nothing."""


@helper(retry=RetryPolicy(max_attempts=1))
def broken(ctx: Any) -> None:
    """Always fail."""
    raise RuntimeError(HOSTILE)


@pytest.fixture
def planning(serve: Serve) -> Api:
    return serve([often, seldom, broken], worker=True)


def test_lanes_show_what_is_planned_as_links_with_a_table(planning: Api) -> None:
    page = Browser(planning, planning.key(Scope.MANAGE)).see("timeline").text

    assert len(re.findall(r'<rect class="bar planned"', page)) == len(planning.hub.plan.upcoming())
    assert page.count("Skip one execution of") == len(planning.hub.plan.upcoming())
    assert re.search(r'<a href="/ui/timeline/planned/often%40\d{8}T\d{6}Z"', page)
    assert "<table>" in page


@pytest.mark.parametrize(("span", "fewer"), [("30m", True), ("2h", False), ("6h", False), ("odd", False)])
def test_zoom_shows_less_or_more(planning: Api, span: str, fewer: bool) -> None:
    page = Browser(planning, planning.key(Scope.READ)).see("timeline", params={"span": span}).text

    assert (page.count('class="bar planned"') < len(planning.hub.plan.upcoming())) == fewer


def test_what_ran_has_a_bar_with_its_status_and_leads_to_its_page(planning: Api) -> None:
    id_ = planning.hub.enqueue("often")
    planning.hub.wait(id_, timeout=timedelta(seconds=10))

    page = Browser(planning, planning.key(Scope.READ)).see("timeline").text

    assert 'class="bar success"' in page
    assert f'href="/ui/executions/{id_}"' in page


def test_what_is_too_near_to_tell_apart_is_one_bar_that_leads_to_the_helper(serve: Serve) -> None:
    api = serve([rapid])

    page = Browser(api, api.key(Scope.READ)).see("timeline").text

    assert page.count('class="bar planned"') == 1
    assert re.search(r'<a href="/ui/helpers/rapid"[^>]*aria-label="rapid: \d+ planned, ', page)


def test_what_waits_has_a_bar_too(serve: Serve) -> None:
    api = serve([often, seldom, broken])
    id_ = api.hub.enqueue("broken")

    page = Browser(api, api.key(Scope.READ)).see("timeline").text

    assert 'class="bar queued"' in page
    assert f'href="/ui/executions/{id_}"' in page


def test_timeline_of_a_hub_where_nothing_happens_says_what_to_do(serve: Serve) -> None:
    api = serve([broken])

    assert "Nothing ran and nothing is planned" in Browser(api, api.key(Scope.READ)).see("timeline").text


def test_lanes_are_searched_by_name(planning: Api) -> None:
    browser = Browser(planning, planning.key(Scope.READ))

    assert _lanes(browser.see("timeline", params={"q": "SELD"}).text) == ["seldom"]
    assert "Nothing of such a helper" in browser.see("timeline", params={"q": HOSTILE}).text


def test_narrowed_key_sees_and_changes_its_own_only(planning: Api) -> None:
    browser = Browser(planning, planning.key(Scope.MANAGE, queues=["low"]))
    others = planning.hub.plan.upcoming(helper="often")[0].id

    assert _lanes(browser.see("timeline").text) == ["seldom"]
    assert browser.see(f"timeline/planned/{others}").status_code == 404
    for verb in ("skip", "run", "move"):
        assert browser.do(f"timeline/{verb}/{others}", {"to": "30m"}).status_code == 404


def test_skip_takes_it_out_of_the_plan_and_is_in_the_audit(planning: Api) -> None:
    browser = Browser(planning, planning.key(Scope.MANAGE))
    one = planning.hub.plan.upcoming(helper="often")[-1]

    answer = browser.do(f"timeline/skip/{one.id}", {"reason": "holiday"})

    assert "often is skipped" in json.loads(answer.headers["hx-trigger"])["notice"]["text"]
    assert planning.hub.plan.get(one.id) is None
    assert planning.hub.executions.get(one.id).reason == "holiday"
    assert _newest(planning) == ("plan.skip", one.id)
    assert browser.do(f"timeline/skip/{one.id}").status_code == 404


def test_run_makes_it_due_now(planning: Api) -> None:
    one = planning.hub.plan.upcoming(helper="often")[-1]

    Browser(planning, planning.key(Scope.MANAGE)).do(f"timeline/run/{one.id}")

    moved = planning.hub.plan.get(one.id)
    assert moved is not None
    assert one.due_at is not None
    assert moved.due_at is not None
    assert moved.due_at < one.due_at
    assert _newest(planning) == ("plan.run", one.id)


@pytest.mark.parametrize("is_relative", [True, False])
def test_move_takes_a_time_or_how_long_from_now(planning: Api, is_relative: bool) -> None:
    browser = Browser(planning, planning.key(Scope.MANAGE))
    one = planning.hub.plan.upcoming(helper="often")[-1]
    to = parse_instant(planning.hub.overview.status()["at"]) + timedelta(minutes=90)

    form = {"to": "in 1h30m" if is_relative else to_rfc3339(to), "from": "page"}
    answer = browser.do(f"timeline/move/{one.id}", form)

    moved = planning.hub.plan.get(one.id)
    assert moved is not None
    assert moved.due_at is not None
    assert abs(moved.due_at - to) < timedelta(seconds=20)
    assert answer.headers["hx-redirect"] == "/ui/timeline"
    notice = json.loads(answer.headers["hx-trigger"])["notice"]
    assert (notice["text"], notice["there"]) == (f"often is due at {to_rfc3339(moved.due_at)} now.", True)
    assert "moved" in browser.see(f"timeline/planned/{one.id}").text


@pytest.mark.parametrize("to", ["", "soon", "5", "2020-01-01T00:00:00Z"])
def test_move_to_what_is_no_time_to_come_is_told_in_its_place(planning: Api, to: str) -> None:
    one = planning.hub.plan.upcoming(helper="often")[-1]

    answer = Browser(planning, planning.key(Scope.MANAGE)).do(f"timeline/move/{one.id}", {"to": to})

    assert 'role="alert"' in answer.text
    left = planning.hub.plan.get(one.id)
    assert left is not None
    assert left.due_at == one.due_at


def test_who_may_only_read_is_offered_nothing_and_can_do_nothing(planning: Api) -> None:
    browser = Browser(planning, planning.key(Scope.READ))
    one = planning.hub.plan.upcoming(helper="often")[-1]

    pages = browser.see("timeline").text + browser.see(f"timeline/planned/{one.id}").text

    for verb in ("skip", "run", "move"):
        assert f"/ui/timeline/{verb}/" not in pages
        assert browser.do(f"timeline/{verb}/{one.id}", {"to": "30m"}).status_code == 403


def test_hostile_texts_are_texts(planning: Api) -> None:
    planning.hub.wait(planning.hub.enqueue("broken", id="a'b\"<b>"), timeout=timedelta(seconds=10))

    page = Browser(planning, planning.key(Scope.READ)).see("timeline", params={"q": ""}).text

    assert "a%27b%22%3Cb%3E" in page
    assert "<b>" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|<[^>]*\son[a-z]+=", page)


def _lanes(page: str) -> list[str]:
    return re.findall(r'class="lane-name" href="/ui/helpers/([^"]+)"', page)


def _newest(api: Api) -> tuple[str, str]:
    entry = api.client.get("/api/v1/audit").json()["entries"][0]
    return entry["action"], entry["target"]
