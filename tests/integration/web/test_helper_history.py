"""What became of a helper: the calendar, the run times, the last lines of its log; and without an archive, a word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.conftest import SOON, Api, Serve
from tests.integration.conftest import wait_until
from tests.integration.statistics.conftest import ended, write
from tests.integration.web.conftest import Browser, Open

from helperhub import helper
from helperhub.archive.rows import Ended
from helperhub.model.access import Scope
from helperhub.model.execution import Status

DAY = timedelta(days=1)
HOSTILE = "<img src=x onerror=alert(1)>"


@helper
def talker(ctx: Any) -> None:
    for number in range(30):
        ctx.log.info("line %s %s", number, HOSTILE)


@helper
def sync(ctx: Any) -> None:
    """Do nothing."""


@pytest.fixture
def api(serve: Serve, tmp_path: Path) -> Api:
    """A served hub with an archive."""
    served = serve([sync, talker], settings={"HELPERHUB_DATABASE_URL": f"sqlite:///{tmp_path}/archive.db"})
    served.hub.upgrade_archive()
    database = served.hub.database
    assert database is not None
    served.stack.callback(database.close)
    return served


def fill(api: Api, some: Sequence[Ended]) -> None:
    database = api.hub.database
    assert database is not None
    write(database, some)


def days_in(page: str) -> list[list[str]]:
    rows = re.findall(r'<tr><th scope="row"><a [^>]*>([^<]+)</a></th>(.*?)</tr>', page)
    return [[day, *re.findall(r">([\d,]+)</td>", cells)] for day, cells in rows]


def test_calendar_and_its_table_have_each_days_outcomes(api: Api, browser: Browser) -> None:
    now = api.hub.statistics.now()
    fill(
        api,
        [
            *[ended(now - 2 * DAY, "sync") for _ in range(30)],
            ended(now - 2 * DAY, "sync", Status.ERROR),
            ended(now - 3 * DAY, "sync", Status.EXPIRED),
            ended(now - 4 * DAY, "sync"),
            ended(now - 4 * DAY, "talker", Status.ERROR),
        ],
    )

    page = browser.see("helpers/-/history/sync").text

    days = [str((now - number * DAY).date()) for number in (2, 3, 4)]
    assert days_in(page) == [
        [days[0], "30", "1", "0", "0", "0"],
        [days[1], "0", "0", "1", "0", "0"],
        [days[2], "1", "0", "0", "0", "0"],
    ]
    drawn = dict(re.findall(r'<rect class="day (\S+)"[^>]*><title>([\d-]+): [^<]*</title>', page.replace("\n", "")))
    kinds = {day: kind for kind, day in drawn.items()}
    assert [kinds.get(day) for day in days] == ["mixed", "bad", "good-1"]
    assert f"q=helper%3Async%20since%3A{days[0]}%20until%3A{days[0]}" in page
    assert page.count("<title>") > 25 * 7


def test_run_times_are_bars_with_percentiles_and_a_table(api: Api, browser: Browser) -> None:
    now = api.hub.statistics.now() - timedelta(hours=2)
    fill(api, [ended(now, "sync", ran_ms=100) for _ in range(98)] + [ended(now, "sync", ran_ms=9000) for _ in range(2)])

    page = browser.see("helpers/-/history/sync").text

    assert re.search(r"98 ms <span class=\"muted\">p50|10\d ms <span class=\"muted\">p50", page)
    assert re.search(r"[89]\.\d s <span class=\"muted\">p99", page)
    counts = re.findall(r'<td class="number">([\d,]+)</td><td class="number">([\d.]+) %</td>', page)
    assert counts == [("98", "98.0"), ("2", "2.0")]
    assert page.count("<line ") == 3


def test_helper_that_never_ran_is_told_what_comes_there(api: Api, browser: Browser) -> None:
    page = browser.see("helpers/-/history/sync").text + browser.see("helpers/-/log/sync").text

    assert "Nothing of it has ended" in page
    assert "Nothing of it ran" in page
    assert "ctx.log.info" in page


def test_without_an_archive_the_page_says_what_to_do(serve: Serve) -> None:
    api = serve()

    page = Browser(api, api.key(Scope.READ)).see("helpers/-/history/echo").text

    assert "This hub has no archive" in page
    assert "helperhub db upgrade" in page


def test_last_lines_are_shown_with_their_execution(serve: Serve) -> None:
    api = serve([talker], worker=True)
    ids = [api.hub.enqueue("talker") for _ in range(4)]
    for id_ in ids:
        api.hub.wait(id_, timeout=SOON)
    # Lines are written now and then, not with the outcome.
    wait_until(lambda: all(len(api.hub.executions.log(id_)) == 30 for id_ in ids))

    page = Browser(api, api.key(Scope.READ)).see("helpers/-/log/talker").text

    assert page.count("<ol ") == 3
    assert page.count("line 29 ") == 3
    assert "10 lines before these" in page
    assert "line 9 " not in page
    assert HOSTILE not in page
    assert sum(f"/ui/executions/{id_}" in page for id_ in ids) == 3


@pytest.mark.parametrize("part", ["history", "log"])
def test_parts_are_for_those_who_may_see_the_helper(api: Api, open_browser: Open, part: str) -> None:
    narrowed = open_browser(Scope.READ, helpers=["talker"])

    assert f"/ui/helpers/-/{part}/talker" in narrowed.see("helpers/talker").text
    assert narrowed.see(f"helpers/-/{part}/talker").status_code == 200
    assert narrowed.see(f"helpers/-/{part}/sync").status_code == 404


def test_figures_of_a_narrowed_key_are_of_its_queues(api: Api, open_browser: Open) -> None:
    now = api.hub.statistics.now() - timedelta(hours=2)
    fill(
        api, [ended(now, "sync", queue="default"), *[ended(now, "sync", Status.ERROR, queue="high") for _ in range(7)]]
    )

    page = open_browser(Scope.READ, queues=["default"]).see("helpers/-/history/sync").text

    assert days_in(page) == [[str(now.date()), "1", "0", "0", "0", "0"]]
