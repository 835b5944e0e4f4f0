"""The command palette: what it finds beside pages and actions, for whom, and how it stands in the page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.integration.api.conftest import Api, Serve
from tests.integration.web.conftest import Browser, Open
from tests.integration.web.test_executions import HOSTILE, end

from helperhub import Every, helper
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.helper_list import suggest_helpers


def found(browser: Browser, text: str) -> list[tuple[str, str, str]]:
    answer = browser.see("palette", params={"q": text})
    assert answer.status_code == 200, answer.text
    return [(one["kind"], one["name"], one["path"]) for one in answer.json()["found"]]


def test_helpers_are_found_by_what_is_typed(serve: Serve) -> None:
    api = serve(scheduler=True)

    names = [name for kind, name, _ in found(Browser(api, api.key(Scope.READ)), "EC") if kind == "Helper"]

    assert names == ["echo"]


def test_execution_is_found_by_its_id_even_one_that_its_caller_chose(serve: Serve) -> None:
    api = serve(worker=True)
    browser, ours = Browser(api, api.key(Scope.READ)), end(api, "echo")
    theirs = str(api.hub.enqueue("echo", None, id="order/7"))

    assert found(browser, f" {ours} ")[0] == ("Execution", ours, f"/ui/executions/{ours}")
    assert found(browser, theirs)[0] == ("Execution", "order/7", "/ui/executions/order/7")


def test_planned_execution_is_found(serve: Serve) -> None:
    @helper(schedule=Every(timedelta(minutes=1)))
    def often(ctx: Any) -> None:
        """Do nothing."""

    api = serve([often], scheduler=True)
    planned = api.hub.executions.find(ExecutionFilter(helper="often", statuses=frozenset({Status.PLANNED})), limit=1)[
        0
    ].id

    assert found(Browser(api, api.key(Scope.READ)), planned)[0][:2] == ("Execution", planned)


def test_text_that_is_no_name_is_searched_for_as_text(browser: Browser) -> None:
    text = f'say "{HOSTILE}" \\'

    ((kind, _, path),) = found(browser, text)

    answer = browser.http.get(path)
    assert (kind, answer.status_code) == ("Search", 200)
    assert HOSTILE not in answer.text


def test_nothing_is_asked_for_nothing_and_no_more_than_a_few_are_answered(serve: Serve) -> None:
    def make(number: int) -> object:
        def run(ctx: Any) -> None:
            """Do nothing."""

        return helper(name=f"many-{number}")(run)

    api = serve([make(number) for number in range(30)], scheduler=True)
    browser = Browser(api, api.key(Scope.READ))

    assert found(browser, "  ") == []
    assert len(found(browser, "many")) == 9
    names = [name for name, _ in suggest_helpers(api.hub.helpers, "many-2", lambda *_: True, limit=3)]
    assert names == ["many-2", "many-20", "many-21"]


def test_narrowed_key_finds_its_own_only(serve: Serve) -> None:
    api = serve(worker=True, scheduler=True)
    own, hidden = end(api, "echo"), end(api, "broken")
    narrowed = Browser(api, api.key(Scope.READ, helpers=["echo"]))

    assert found(narrowed, own)[0][0] == "Execution"
    assert [kind for kind, *_ in found(narrowed, hidden)] == ["Search"]
    assert [kind for kind, *_ in found(narrowed, "broken")] == ["Search"]


def test_palette_needs_a_session_and_stands_on_pages_only_for_who_has_one(api: Api, open_browser: Open) -> None:
    stranger = api.showing(None)
    assert stranger.get("/ui/palette", params={"q": "echo"}, headers={"HX-Request": "true"}).status_code == 401
    assert 'id="palette"' not in stranger.get("/ui/sign-in").text

    page = open_browser(Scope.READ).see().text

    assert 'role="combobox"' in page
    assert 'role="listbox"' in page
    assert "palette.js" in page
