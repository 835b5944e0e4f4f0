"""Callbacks over HTTP: set with a run or for a helper, listed, sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import Api, Serve, echo
from tests.integration.services.targets import target

from helperhub.model.access import Scope

BATCH = "/api/v1/executions"
SETTINGS = {"HELPERHUB_CALLBACKS__ALLOW": "127.0.0.1", "HELPERHUB_CALLBACKS__DELAYS": "10ms"}


def test_run_with_a_callback_is_told_and_listed_and_sent_again(serve: Serve, wait_until: Callable[..., None]) -> None:
    with target() as there:
        api = serve(settings=SETTINGS, worker=True, scheduler=True)
        id_ = api.client.post("/api/v1/helpers/echo/run", json={"payload": 1, "callback": there.url}).json()["id"]

        wait_until(lambda: listed(api, execution=id_, status="success"))
        (callback,) = listed(api, execution=id_)
        again = api.client.post(f"/api/v1/callbacks/{callback['id']}/replay")
        wait_until(lambda: len(listed(api, execution=id_, status="success")) == 2)

    assert (callback["type"], callback["helper"], callback["answer"]["status"]) == ("execution.success", "echo", 204)
    assert again.status_code == 202
    assert again.json()["replay_of"] == callback["id"]
    assert [request.headers["webhook-id"] for request in there.requests] == [id_, id_]
    assert listed(api, execution="another") == []
    assert listed(api, status="error") == []
    entry = api.client.get("/api/v1/audit", params={"action": "execution.replay"}).json()["entries"][0]
    assert entry["target"] == callback["id"]


def listed(api: Api, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.client.get("/api/v1/callbacks", params=params).json()["callbacks"]
    return found


def test_callback_of_a_helper_is_changed_by_an_update(api: Api) -> None:
    url = "https://shop.example.org/done"

    answer = api.client.put("/api/v1/helpers/echo", json={"callback": url})

    assert answer.status_code == 200
    assert api.client.get("/api/v1/helpers/echo").json()["callback"] == url
    assert api.client.put("/api/v1/helpers/echo", json={"callback": ""}).status_code == 200
    assert api.client.get("/api/v1/helpers/echo").json()["callback"] is None


@pytest.mark.parametrize("url", ["http://ada:pw@example.org/", "file:///etc/passwd", "http://0x7f.1/"])
def test_url_that_cant_be_one_is_a_problem_at_once(api: Api, url: str) -> None:
    for answer in (
        api.client.post("/api/v1/helpers/echo/run", json={"callback": url}),
        api.client.put("/api/v1/helpers/echo", json={"callback": url}),
    ):
        assert answer.status_code == 400
        assert "callback" in answer.json()["detail"]
        assert "pw" not in answer.json()["detail"]


def test_narrowed_key_sees_and_repeats_only_callbacks_of_its_helpers(api: Api) -> None:
    id_ = api.hub.enqueue("echo", callback="https://shop.example.org/")
    api.hub.executions.cancel(id_, reason="")
    api.hub._ends.call_back()
    mine = api.asking(Scope.MANAGE, helpers=["echo"])
    others = api.asking(Scope.MANAGE, helpers=["broken"])

    (callback,) = mine.get("/api/v1/callbacks").json()["callbacks"]

    assert callback["execution"] == id_
    assert others.get("/api/v1/callbacks").json()["callbacks"] == []
    path = f"/api/v1/callbacks/{callback['id']}/replay"
    assert others.post(path).status_code == 404
    assert mine.post(path).status_code == 409  # it waits
    assert mine.post(f"/api/v1/callbacks/{id_}/replay").status_code == 404


def test_callbacks_come_page_by_page_each_once_what_waits_first(api: Api) -> None:
    ids = [api.hub.enqueue(name, callback="https://shop.example.org/") for name in ("echo", "broken") * 6]
    for id_ in ids:
        api.hub.executions.cancel(id_, reason="")
    while api.hub._ends.call_back():
        pass
    over = [f"callback:{id_}" for id_ in ids[:7]]
    for callback_id in over:
        api.hub.executions.cancel(callback_id, reason="")

    pages = list(walk(api.client, limit=5))
    mine = list(walk(api.asking(Scope.READ, helpers=["echo"]), limit=2))

    assert [len(page) for page in pages] == [5, 5, 2]
    found = [one for page in pages for one in page]
    assert sorted(one["id"] for one in found) == sorted(f"callback:{id_}" for id_ in ids)
    assert {one["id"] for one in found[-7:]} == set(over)
    ends = [one["finished_at"] for one in found[-7:]]
    assert ends == sorted(ends, reverse=True)
    assert {one["helper"] for page in mine for one in page} == {"echo"}
    assert sum(map(len, mine)) == 6
    assert api.client.get("/api/v1/callbacks", params={"cursor": "bm9uc2Vuc2U"}).status_code == 404


def walk(client: httpx.Client, *, limit: int) -> Iterator[list[dict[str, Any]]]:
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/api/v1/callbacks", params={"limit": limit, **cursor}).json()
        yield page["callbacks"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def test_nobody_runs_the_helper_that_calls_back_over_http(serve: Serve) -> None:
    api = serve((echo,))

    answer = api.client.post("/api/v1/helpers/helperhub.callback/run", json={"payload": {"url": "https://x.org/"}})

    assert answer.status_code == 404


def test_each_execution_of_a_batch_may_have_its_own_callback(serve: Serve, wait_until: Callable[..., None]) -> None:
    with target() as there:
        api = serve(settings=SETTINGS, worker=True, scheduler=True)
        items = [{"helper": "echo", "callback": there.url}, {"helper": "echo"}]
        answer = api.client.post(BATCH, json={"executions": items})
        wait_until(lambda: listed(api, status="success"))

    told = answer.json()["executions"][0]["id"]
    assert [request.headers["webhook-id"] for request in there.requests] == [told]


def test_batch_with_a_url_that_cant_be_one_starts_nothing(api: Api) -> None:
    items = [{"helper": "echo"}, {"helper": "echo", "callback": "http://ada:pw@example.org/"}]

    answer = api.client.post(BATCH, json={"executions": items})

    assert answer.status_code == 400
    assert sum(queue.ready for queue in api.hub.queues.all()) == 0
