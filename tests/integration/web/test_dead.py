"""Dead letters on the dashboard: by cause, replayed, edited and deleted, for whom they may be seen."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable

import pytest
from tests.integration.api.conftest import SOON, Api, Serve
from tests.integration.api.test_dead_letters import fussy, give_up, orders, picky
from tests.integration.web.conftest import Browser
from tests.integration.web.test_executions import HOSTILE, let_confirmation_pass, told
from tests.integration.web.test_queues import way_back

from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.web.confirm import KEY_FIELD

ALL = (Scope.MANAGE,)


@pytest.fixture
def api(serve: Serve) -> Api:
    """A served hub with a worker and two helpers that fail."""
    return serve([picky, fussy], worker=True)


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON.total_seconds()
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def open_(api: Api, *scopes: Scope) -> Browser:
    return Browser(api, api.key(*(scopes or ALL)))


def ask(browser: Browser, action: str, **which: str) -> dict[str, str]:
    """Return what the dialog would send."""
    answer = browser.do("dead/ask", {"action": action, **which})
    assert answer.status_code == 200, answer.text
    found = re.findall(r'name="(\w+)" (?:type="[a-z]+" )?(?:min="1" max="\d+" )?value="([^"]*)"', answer.text)
    return {"title": re.findall(r'<h2 id="ask-title">([^<]*)<', answer.text)[0]} | {
        name: html.unescape(value) for name, value in found
    }


def fingerprint_of(api: Api, helper: str) -> str:
    (group,) = [
        one for one in api.client.get("/api/v1/dead-letters/groups").json()["groups"] if one["helper"] == helper
    ]
    return str(group["fingerprint"])


def test_empty_page_teaches(api: Api) -> None:
    assert "nothing is lost while you mend the cause" in open_(api).see("dead").text


def test_causes_are_shown_with_how_many_as_text_only(api: Api) -> None:
    give_up(api, "picky", *orders(-1, -2))
    (hostile,) = give_up(api, "fussy", HOSTILE)

    page = open_(api).see("dead").text

    assert "3 by cause" in page
    assert "ValueError: order N of &#39;...&#39; can&#39;t be shipped" in page
    assert hostile in page
    assert HOSTILE not in page


def test_one_cause_is_chosen(api: Api) -> None:
    picky_ids, (other,) = give_up(api, "picky", *orders(-1, -2)), give_up(api, "fussy", 1)

    page = open_(api).see("dead", params={"cause": fingerprint_of(api, "picky")}).text

    assert all(id_ in page for id_ in picky_ids)
    assert f"dead/{other}" not in page


def test_one_is_replayed(api: Api) -> None:
    (id_,) = give_up(api, "fussy", 1)
    browser = open_(api, Scope.READ, Scope.RUN)

    notice = told(browser.do(f"dead/{id_}/replay"))

    assert notice.startswith("Put back as ")
    again = browser.do(f"dead/{id_}/replay")
    assert again.status_code == 404
    assert "replayed or deleted" in again.text


def test_group_is_replayed_at_a_rate_by_an_execution_of_its_own(api: Api) -> None:
    give_up(api, "picky", *orders(-1, -2))
    give_up(api, "fussy", 1)
    browser, cause = open_(api), fingerprint_of(api, "picky")

    asked = ask(browser, "replay", cause=cause)
    answer = browser.do("dead/replay", {**asked, "rate": "50/s", "stop_after_failures": ""})

    assert asked["title"] == "Replay 2 dead letters?"
    assert (asked["rate"], asked["stop_after_failures"]) == ("10/s", "3")
    id_ = answer.headers["hx-redirect"].removeprefix("/ui/executions/")
    assert api.hub.wait(id_, timeout=SOON).result == {"replayed": 2, "of": 2, "stopped": None}
    actions = [entry["action"] for entry in api.client.get("/api/v1/audit").json()["entries"]]
    assert "dead.replay-matching" in actions


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rate": "fast"}, "is not a rate"),
        ({"stop_after_failures": "x"}, "number"),
        ({"all": ""}, "Which dead letters?"),
    ],
)
def test_wrong_way_to_replay_is_told_and_nothing_is_replayed(api: Api, given: dict[str, str], said: str) -> None:
    (id_,) = give_up(api, "fussy", 1)

    answer = open_(api).do("dead/replay", {"all": "1", **given})

    assert answer.status_code == 400
    assert said in html.unescape(answer.text)
    assert api.hub.dead_letters.is_dead(id_)


def test_all_are_deleted_but_not_what_came_after_the_question(api: Api) -> None:
    old = give_up(api, "fussy", 1, 2)
    browser = open_(api)
    asked = ask(browser, "delete", all="1")
    (new,) = give_up(api, "fussy", 3)

    notice = told(browser.do("dead/delete", asked))

    assert asked["title"] == "Delete 2 dead letters?"
    assert notice == "2 dead letters deleted."
    assert [api.hub.dead_letters.is_dead(id_) for id_ in (*old, new)] == [False, False, True]


def test_many_at_once_need_the_key_once_more(api: Api) -> None:
    give_up(api, "fussy", 1)
    key = api.key(Scope.MANAGE)
    browser = Browser(api, key)
    let_confirmation_pass(api, browser)

    asked = ask(browser, "delete", all="1")
    for wrong in ("", "hh_live_wrong", api.key(Scope.ADMIN)):
        assert browser.do("dead/delete", {**asked, KEY_FIELD: wrong}).status_code == 401

    assert told(browser.do("dead/delete", {**asked, KEY_FIELD: key})) == "1 dead letter deleted."


def test_one_is_deleted_and_the_audit_says_who(api: Api) -> None:
    (id_,) = give_up(api, "fussy", 1)

    assert told(open_(api).do(f"dead/{id_}/delete")) == "1 dead letter deleted."

    entry = api.client.get("/api/v1/audit").json()["entries"][0]
    assert (entry["action"], entry["target"]) == ("dead.delete", id_)


def test_what_was_deleted_is_put_back_by_what_its_notice_offers(api: Api) -> None:
    ids = give_up(api, "fussy", 1, 2)
    browser = open_(api)
    one = way_back(browser.do(f"dead/{ids[0]}/delete"))
    rest = way_back(browser.do("dead/delete", ask(browser, "delete", all="1")))
    assert api.hub.dead_letters.count() == 0

    assert told(browser.do(one)) == "1 dead letter put back."
    assert told(browser.do(rest)) == "1 dead letter put back."

    assert [api.hub.dead_letters.is_dead(id_) for id_ in ids] == [True, True]
    assert open_(api, Scope.READ).do(one).status_code == 403
    assert open_(api, Scope.READ, Scope.RUN).do(one).status_code == 403


def test_replay_is_undone_where_its_notice_leads_and_says_what_stays(api: Api) -> None:
    (id_,) = give_up(api, "picky", *orders(-1))
    browser = open_(api)
    answer = browser.do(f"dead/{id_}/edit", {"payload": '{"number": 7}'})
    api.hub.wait(answer.headers["hx-redirect"].removeprefix("/ui/executions/"), timeout=SOON)

    assert told(browser.do(way_back(answer))) == "0 replays taken back. 1 replay had started, and stays."


def test_replay_at_a_rate_is_undone_as_a_whole(api: Api) -> None:
    ids = give_up(api, "fussy", 1, 2, 3)
    browser = open_(api)
    answer = browser.do("dead/replay", {**ask(browser, "replay", all="1"), "rate": "30/m", "stop_after_failures": ""})
    wait_for(lambda: any(one.replay_of for one in api.hub.records.of_helper("fussy") if one.status.final))

    assert told(browser.do(way_back(answer))).endswith("1 replay had started, and stays.")

    api.hub.wait(answer.headers["hx-redirect"].removeprefix("/ui/executions/"), timeout=SOON)
    assert sum(api.hub.dead_letters.is_dead(id_) for id_ in ids) == 2


def test_payload_is_edited_and_replayed(api: Api) -> None:
    (id_,) = give_up(api, "picky", *orders(-1))
    browser = open_(api)

    page = browser.see(f"dead/{id_}/edit").text
    to = browser.do(f"dead/{id_}/edit", {"payload": '{"number": 7}'}).headers["hx-redirect"]

    assert "&#34;number&#34;: -1" in page
    new = api.hub.wait(to.removeprefix("/ui/executions/"), timeout=SOON)
    assert (new.status, new.result, new.replay_of) == (Status.SUCCESS, 7, id_)


@pytest.mark.parametrize("payload", ["", "{", '{"number": 1, "number": 2}', '{"number": "seven"}', "NaN"])
def test_payload_that_doesnt_fit_is_told_and_nothing_is_replayed(api: Api, payload: str) -> None:
    (id_,) = give_up(api, "picky", *orders(-1))

    answer = open_(api).do(f"dead/{id_}/edit", {"payload": payload})

    assert answer.status_code in (400, 422)
    assert 'role="alert"' in answer.text
    assert api.hub.dead_letters.is_dead(id_)


def test_scopes_bound_what_is_offered_and_what_is_done(api: Api) -> None:
    (id_,) = give_up(api, "fussy", 1)
    reader, runner = open_(api, Scope.READ), open_(api, Scope.READ, Scope.RUN)

    assert "hx-post" not in reader.see("dead").text.replace('hx-post="/ui/sign-out"', "")
    assert "Delete" not in runner.see("dead").text
    for path in ("dead/ask", "dead/replay", f"dead/{id_}/replay"):
        assert reader.do(path).status_code == 403
    for path in ("dead/delete", f"dead/{id_}/delete", f"dead/{id_}/edit"):
        assert runner.do(path).status_code == 403
    assert runner.see(f"dead/{id_}/edit").status_code == 403
    assert api.hub.dead_letters.is_dead(id_)


def test_narrowed_key_sees_and_replays_its_own_only(api: Api) -> None:
    (own,), (other,) = give_up(api, "picky", *orders(-1)), give_up(api, "fussy", 1)
    narrowed = Browser(api, api.key(Scope.MANAGE, helpers=["picky"]))

    page = narrowed.see("dead").text
    asked = ask(narrowed, "replay", all="1")
    notice = told(narrowed.do("dead/replay", asked))

    assert own in page
    assert other not in page
    assert asked["title"] == "Replay 1 dead letter?"
    assert notice == "1 dead letter put back."
    assert narrowed.do(f"dead/{other}/delete").status_code == 404
    assert [api.hub.dead_letters.is_dead(id_) for id_ in (own, other)] == [False, True]


def test_dialog_says_that_nothing_is_left(api: Api) -> None:
    assert ask(open_(api), "delete", all="1") == {"title": "Nothing to delete"}


def test_what_cant_be_done_is_told(api: Api) -> None:
    browser = open_(api)

    assert browser.do("dead/ask", {"action": "burn", "all": "1"}).status_code == 400
    assert browser.do("dead/delete", {"all": "1", "at": "never"}).status_code == 400
    assert json.loads(browser.do("dead/delete", {"all": "1", "at": "2026-01-01T00:00:00Z"}).headers["hx-trigger"])


def test_page_shows_the_most_frequent_causes_and_how_many_more_there_are(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helperhub.web.pages.dead._GROUPS", 1)
    give_up(api, "picky", *orders(-1, -2))
    give_up(api, "fussy", 1)
    rare = fingerprint_of(api, "fussy")
    browser = open_(api)

    page = browser.see("dead").text
    chosen = browser.see("dead", params={"cause": rare}).text

    assert "3 by cause" in page
    assert "And 1 more cause," in page
    assert f"cause={rare}" not in page
    assert "more cause" not in chosen, "what is looked at is shown, however rare"
    assert f"cause={rare}" in chosen


def test_causes_are_found_anew_as_soon_as_one_comes_or_goes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helperhub.web.kept._QUICK_S", 0.0)  # as if it took long
    browser = open_(api)
    (first,) = give_up(api, "picky", *orders(-1))
    assert "1 by cause" in browser.see("dead").text

    give_up(api, "picky", *orders(-2))
    assert "2 by cause" in browser.see("dead").text
    browser.do(f"dead/{first}/delete")
    assert "1 by cause" in browser.see("dead").text
