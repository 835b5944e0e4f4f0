"""Who may call what: every route, with every scope, and without a key."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from tests.integration.api.conftest import Api, Serve

from helperhub.api.access import PUBLIC, scopes_of
from helperhub.api.app import build_app
from helperhub.model.access import Scope

MAY = {
    Scope.READ: {Scope.READ},
    Scope.RUN: {Scope.RUN},
    Scope.MANAGE: {Scope.READ, Scope.RUN, Scope.MANAGE},
    Scope.ADMIN: {Scope.READ, Scope.RUN, Scope.MANAGE, Scope.ADMIN},
}
#: Routes that need no key, by name: one that is added here has been thought about.
OPEN = {
    "GET /healthz",
    "GET /readyz",
    "POST /webhook/{token}",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/docs.css",
    "GET /docs/docs.js",
    "GET /docs/swagger-ui-bundle.js",
    "GET /docs/swagger-ui.css",
}


def test_only_these_routes_need_no_key(api: Api) -> None:
    found = {f"{method} {path}" for (method, path), needed in scopes_of(build_app(api.hub)).items() if needed == PUBLIC}

    assert found == OPEN


def test_every_route_with_every_scope_answers_as_its_scope_says(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__RATE": "100000"})
    clients = {scope: api.asking(scope) for scope in Scope}
    stranger = api.showing()
    wrong: list[str] = []
    walked = 0

    for (method, path), needed in scopes_of(build_app(api.hub)).items():
        if needed == PUBLIC:
            continue
        # What isn't there: nothing is changed, and who may not ask isn't told so much.
        url = re.sub(r"\{[^}]*\}", "not-there", path)
        for scope, client in clients.items():
            status = ask(client, method, url)
            refused = status == 403
            if refused is (Scope(needed) in MAY[scope]):
                wrong.append(f"{method} {path} needs {needed}, and answered {status} to {scope}")
            walked += 1
        if ask(stranger, method, url) != 401:
            wrong.append(f"{method} {path} needs {needed}, and answered somebody without a key")

    assert wrong == []
    assert walked >= 4 * 20


def ask(client: object, method: str, url: str) -> int:
    with client.stream(method, url, json={} if method in ("POST", "PUT", "PATCH") else None) as answer:  # type: ignore[attr-defined]
        return int(answer.status_code)


def test_app_with_a_route_that_names_no_scope_isnt_built() -> None:
    app = FastAPI()

    @app.get("/forgotten")
    def forgotten() -> str:
        return "open to everybody"

    with pytest.raises(ValueError, match="/forgotten names no scope"):
        scopes_of(app)


def test_reads_need_no_key_where_they_are_open(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__OPEN_READS": "true"})
    stranger = api.showing()

    assert stranger.get("/api/v1/helpers").status_code == 200
    assert stranger.post("/api/v1/helpers/echo/run").status_code == 401
    assert stranger.get("/api/v1/keys").status_code == 401


@pytest.mark.parametrize(
    "shown",
    [
        "Bearer hh_live_3f9aK2mPq8Zx_" + "a" * 43 + "bbbbbb",
        "Bearer nonsense",
        "Basic YTpi",
        "Bearer " + "x" * 5000,
    ],
)
def test_what_is_no_key_is_refused_with_what_to_do(api: Api, shown: str) -> None:
    answer = api.showing().get("/api/v1/helpers", headers={"Authorization": shown})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "helperhub keys create" in answer.json()["hint"]


def test_too_many_wrong_keys_make_an_address_wait(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__FAILURES": "3"})
    for _ in range(3):
        assert api.showing("wrong").get("/api/v1/helpers").status_code == 401

    answer = api.showing("wrong").get("/api/v1/helpers")

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    # The right one waits too: else the address could go on guessing beside it.
    assert api.client.get("/api/v1/helpers").status_code == 429


def test_key_that_asks_too_often_waits_and_others_dont(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__RATE": "3"})
    busy, other = api.asking(Scope.READ), api.asking(Scope.READ)

    statuses = [busy.get("/api/v1/helpers").status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert other.get("/api/v1/helpers").status_code == 200
