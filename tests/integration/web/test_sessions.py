"""Signing in to the dashboard, what a session may do, and how it ends."""

from __future__ import annotations

import pytest
from tests.integration.api.conftest import Api, build_http
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope


def test_page_without_a_session_leads_to_the_sign_in_and_back(api: Api) -> None:
    stranger = api.stack.enter_context(build_http(api.url))

    answer = stranger.get("/ui/?x=1")

    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/sign-in?next=/ui/%3Fx%3D1")
    assert "API key" in stranger.get(answer.headers["location"]).text


def test_wrong_key_is_told_so_and_gets_no_session(api: Api) -> None:
    stranger = api.stack.enter_context(build_http(api.url))

    answer = stranger.post("/ui/sign-in", data={"key": "hh_live_wrong"})

    assert answer.status_code == 401
    assert "That is no key of this hub." in answer.text
    assert "set-cookie" not in answer.headers


def test_cookie_is_for_this_server_and_this_path_only_and_no_script_sees_it(api: Api) -> None:
    stranger = api.stack.enter_context(build_http(api.url))

    answer = stranger.post("/ui/sign-in", data={"key": api.key(Scope.READ)})

    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/ui"))


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/ui/\\evil", "/api/v1/keys"])
def test_sign_in_leads_nowhere_else(api: Api, to: str) -> None:
    stranger = api.stack.enter_context(build_http(api.url))

    answer = stranger.post("/ui/sign-in", params={"next": to}, data={"key": api.key(Scope.READ)})

    assert answer.headers["location"] == "/ui/"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_form_of_another_site_signs_nobody_in(api: Api, headers: dict[str, str]) -> None:
    stranger = api.stack.enter_context(build_http(api.url))

    answer = stranger.post("/ui/sign-in", data={"key": api.key(Scope.READ)}, headers=headers)

    assert answer.status_code == 403


def test_link_signs_in_once(api: Api) -> None:
    token = api.hub.sessions.make_link("person:ada@web1")
    first, second = (api.stack.enter_context(build_http(api.url)) for _ in range(2))

    assert first.get(f"/ui/link/{token}").status_code == 303
    assert second.get(f"/ui/link/{token}").status_code == 401

    assert "ada@web1" in first.get("/ui/").text


def test_change_without_the_page_s_token_is_refused(browser: Browser) -> None:
    answer = browser.do("sign-out", headers={"X-CSRF-Token": "wrong"})

    assert answer.status_code == 403
    assert browser.see().status_code == 200


def test_signing_out_ends_the_session(browser: Browser) -> None:
    cookie = f"hh_session={browser.http.cookies['hh_session']}"

    assert browser.do("sign-out").status_code == 204

    assert browser.http.get("/ui/", headers={"Cookie": cookie}).status_code == 303


def test_session_ends_with_its_key(api: Api, open_browser: Open) -> None:
    browser = open_browser(Scope.READ)
    (key,) = [one for one in api.hub.api_keys.all() if one["name"] == "test"]

    api.hub.api_keys.revoke(key["id"])

    assert browser.see().status_code == 303


def test_htmx_is_told_to_go_to_the_sign_in_as_a_whole_page(api: Api) -> None:
    stranger = api.stack.enter_context(build_http(api.url))

    answer = stranger.get("/ui/", headers={"HX-Request": "true"})

    assert answer.headers["hx-redirect"] == "/ui/sign-in"


def test_sessions_and_who_began_them_are_in_the_audit(api: Api, browser: Browser) -> None:
    browser.do("sign-out")

    actions = [entry["action"] for entry in api.client.get("/api/v1/audit").json()["entries"]]

    assert actions[:2] == ["session.end", "session.begin"]


def test_session_opens_no_route_of_the_api(browser: Browser) -> None:
    assert browser.http.get("/api/v1/helpers").status_code == 401


def test_key_in_a_header_opens_no_page(api: Api) -> None:
    assert api.client.get("/ui/").status_code == 303
