"""Keys: made and shown once, rotated and revoked, by admins who have shown their own key lately."""

from __future__ import annotations

import re

from tests.integration.api.conftest import Api
from tests.integration.web.conftest import Browser, Open
from tests.integration.web.test_queues import forget_confirmation

from helperhub.model.access import Scope
from helperhub.services.audit import AuditFilter

HOSTILE = "<img src=x onerror=alert(1)>"


def _key_in(page: str) -> str:
    found = re.search(r'value="(hh_[^"]+)"', page)
    assert found, page
    return found[1]


def test_new_key_is_shown_once_and_may_what_was_asked_for(api: Api, browser: Browser) -> None:
    wish = {"name": "build server", "scope_run": "yes", "helpers": "echo, broken", "expires_in": "2h"}

    answer = browser.do("keys/create", wish)

    made = api.hub.api_keys.check(_key_in(answer.text))
    assert (made.scopes, made.helpers) == (frozenset({Scope.RUN}), frozenset({"echo", "broken"}))
    page = browser.see("keys").text
    assert "build server" in page
    assert _key_in(answer.text) not in page
    assert api.hub.audit.find(AuditFilter(action="key.create"), limit=1)[0]["after"]["name"] == "build server"


def test_wrong_wish_is_told_in_place_and_keeps_what_was_typed(browser: Browser) -> None:
    without_scope = browser.do("keys/create", {"name": HOSTILE, "expires_in": "90d"})
    odd_time = browser.do("keys/create", {"name": "x", "scope_read": "yes", "expires_in": "soon"})

    assert "A key needs a scope" in without_scope.text
    assert HOSTILE not in without_scope.text
    assert "&lt;img" in without_scope.text
    assert "Expires in" in odd_time.text
    assert 'name="scope_read" value="yes" checked' in odd_time.text


def test_key_is_rotated_and_its_successor_shown(api: Api, browser: Browser) -> None:
    old = api.hub.api_keys.check(api.key(Scope.READ)).name.removeprefix("key:")

    answer = browser.do("keys/rotate", {"id": old, "overlap": "1h"})

    assert api.hub.api_keys.check(_key_in(answer.text)).scopes == frozenset({Scope.READ})
    assert next(one for one in api.hub.api_keys.all() if one["id"] == old)["rotated_to"]


def test_revoked_key_ends_the_sessions_that_began_with_it(api: Api, browser: Browser, open_browser: Open) -> None:
    other = open_browser(Scope.READ)
    [other_id] = [one["id"] for one in api.hub.api_keys.all() if one["scopes"] == ["read"]]

    browser.do("keys/revoke", {"id": other_id})

    assert other.see().status_code == 303
    assert api.hub.audit.find(AuditFilter(action="key.revoke"), limit=1)[0]["target"] == other_id


def test_nothing_is_made_before_the_key_is_shown_once_more(api: Api, browser: Browser) -> None:
    forget_confirmation(api, browser)
    before = len(api.hub.api_keys.all())

    answer = browser.do("keys/create", {"name": "x", "scope_read": "yes", "expires_in": "1d"})

    assert "This needs your key once more." in answer.text
    assert len(api.hub.api_keys.all()) == before


def test_keys_are_for_admins_of_the_whole_hub(open_browser: Open) -> None:
    manager, narrowed = open_browser(Scope.MANAGE), open_browser(Scope.ADMIN, helpers=["echo"])

    assert [one.see("keys").status_code for one in (manager, narrowed)] == [403, 403]
    assert manager.do("keys/create", {"name": "x", "scope_read": "yes"}).status_code == 403
