"""Who was refused is in the log, and a flood of it isn't."""

from __future__ import annotations

import logging

import httpx
import pytest
from tests.integration.api.conftest import Api, Serve

from helperhub.errors import StoreUnavailable
from helperhub.model.access import Scope
from helperhub.services.api_keys import _checksum, split_key

HELPERS = "/api/v1/helpers"


def refused(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    names = ("who", "address", "method", "route", "reason", "left_out")
    return [
        {name: vars(record)[name] for name in names if name in vars(record)}
        for record in caplog.records
        if record.msg == "access_refused"
    ]


def test_request_without_a_key_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.showing().get(HELPERS)

    assert refused(caplog) == [
        {"who": "", "address": "127.0.0.1", "method": "GET", "route": HELPERS, "reason": "unauthenticated"}
    ]


def test_wrong_secret_is_logged_with_the_id_and_without_the_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    parts = split_key(api.key(Scope.READ))
    assert parts is not None
    head = f"hh_live_{parts[1]}_{'a' * 43}"

    api.showing(head + _checksum(head)).get(HELPERS)

    assert [one["who"] for one in refused(caplog)] == [f"key:{parts[1]}?"]
    assert "aaaa" not in caplog.text


def test_scope_that_is_missing_and_helper_that_isnt_the_keys_are_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    narrowed = api.asking(Scope.READ, helpers=["echo"])

    narrowed.post(f"{HELPERS}/echo/disable")
    narrowed.get("/api/v1/workers")
    narrowed.get(f"{HELPERS}/broken")
    api.client.get(f"{HELPERS}/not-there")  # may see all: no refusal

    assert [(one["reason"], one["method"], one["route"]) for one in refused(caplog)] == [
        ("forbidden", "POST", f"{HELPERS}/{{name:path}}/disable"),
        ("forbidden", "GET", "/api/v1/workers"),
        ("not_found", "GET", f"{HELPERS}/{{name:path}}"),
    ]
    assert {one["who"] for one in refused(caplog)} == {f"key:{key_id(narrowed)}"}


def test_flood_of_refusals_is_logged_as_its_size(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = api.showing()
    for _ in range(100):
        stranger.get(HELPERS)
    monkeypatch.setattr("helperhub.api.refusals._WINDOW_S", 0.0)  # the minute is over

    stranger.get(HELPERS)

    assert len(refused(caplog)) == 31
    assert refused(caplog)[-1]["left_out"] == 70


def test_accepted_key_is_logged_at_debug_with_what_it_asked(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "helperhub.api"):
        api.client.get(HELPERS)

    granted = [vars(record)["who"] for record in caplog.records if record.msg == "access_granted"]
    assert granted == [f"key:{key_id(api.client)}"]


def test_request_for_another_host_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "helperhub.api"):
        api.showing().get("/healthz", headers={"Host": "evil.example"})

    assert [vars(one)["host"] for one in caplog.records if one.msg == "host_refused"] == ["evil.example"]


def test_nobody_without_a_key_asks_more_often_than_a_key_may(serve: Serve) -> None:
    # Once, open reads had no limit at all.
    api = serve(settings={"HELPERHUB_WEB__OPEN_READS": "true", "HELPERHUB_WEB__RATE": "3"})
    stranger = api.showing()

    statuses = [stranger.get(HELPERS).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert api.asking(Scope.READ).get(HELPERS).status_code == 200


@pytest.mark.parametrize("place", ["query", "cookie", "header", "user"])
def test_key_counts_in_its_header_only(api: Api, place: str) -> None:
    # An address is written into logs, histories and Referer headers; a cookie is sent by pages of others.
    key = api.key(Scope.ADMIN)
    answer = {
        "query": lambda: httpx.get(f"{api.url}{HELPERS}?key={key}&access_token={key}&api_key={key}", trust_env=False),
        "cookie": lambda: httpx.get(api.url + HELPERS, headers={"Cookie": f"key={key}"}, trust_env=False),
        "header": lambda: httpx.get(api.url + HELPERS, headers={"X-Api-Key": key}, trust_env=False),
        "user": lambda: httpx.get(api.url + HELPERS, auth=(key, ""), trust_env=False),
    }[place]()

    assert answer.status_code == 401


def test_two_keys_in_one_request_are_refused(api: Api) -> None:
    # Which of them counts, a proxy before us may see otherwise.
    shown = [("Authorization", f"Bearer {api.key(Scope.ADMIN)}"), ("Authorization", "Bearer other")]

    for headers in (shown, shown[::-1]):
        assert httpx.get(api.url + HELPERS, headers=headers, trust_env=False).status_code == 401


def test_narrowed_key_changes_no_other_helper_by_creating_it(api: Api) -> None:
    # Once, {"create": true} was taken before anybody looked whose helper it is.
    narrowed = api.asking(Scope.MANAGE, helpers=["echo"])

    other = narrowed.put(f"{HELPERS}/broken", json={"create": True, "priority": 1})
    instance = narrowed.put(f"{HELPERS}/broken/mine", json={"create": True, "priority": 1})
    own = narrowed.put(f"{HELPERS}/echo/mine", json={"create": True, "priority": 1})

    assert (other.status_code, instance.status_code, own.status_code) == (404, 404, 200)
    assert api.client.get(f"{HELPERS}/broken").json()["priority"] == 3


def test_narrowed_key_cant_tell_what_isnt_there_from_what_isnt_its(api: Api) -> None:
    # Once, a name that was nearly right was answered with the right one.
    narrowed = api.asking(Scope.READ, helpers=["echo"])

    theirs, nobodys = (narrowed.get(f"{HELPERS}/{name}").json() for name in ("broken", "brokem"))

    assert theirs["detail"].replace("broken", "brokem") == nobodys["detail"]
    assert theirs["hint"] == nobodys["hint"] == ""


def key_id(client: httpx.Client) -> str:
    parts = split_key(client.headers["Authorization"].removeprefix("Bearer "))
    assert parts is not None
    return parts[1]


def test_bug_is_answered_with_an_incident_and_nothing_else(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_given: object, **_more: object) -> None:
        message = "secret of the inside"
        raise RuntimeError(message)

    monkeypatch.setattr(type(api.hub.queues), "all", break_down)

    answer = api.client.get("/api/v1/queues")

    assert answer.status_code == 500
    assert answer.json()["incident"] in answer.json()["detail"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_nobody_is_let_in_while_keys_cant_be_looked_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_away(*_given: object) -> None:
        message = "Redis can't be reached."
        raise StoreUnavailable(message)

    monkeypatch.setattr(type(api.hub.api_keys.store), "read", be_away)

    answer = api.client.get(HELPERS)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_bug_in_a_webhook_doesnt_log_its_token(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Once, the path of a request that broke was logged, and with it what lets anybody start the helper.
    made = api.client.post("/api/v1/webhooks", json={"helper": "echo", "name": "shop"}).json()

    def break_down(*_given: object, **_more: object) -> None:
        message = "broken"
        raise RuntimeError(message)

    monkeypatch.setattr(type(api.hub.deliveries), "take", break_down)
    # Our log: httpx, in the same process here, tells what it asks.
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)

    api.showing().post(made["path"], json={})

    assert [vars(one)["route"] for one in caplog.records if one.msg == "request_broke"] == ["/webhook/{token}"]
    assert made["token"] not in caplog.text
