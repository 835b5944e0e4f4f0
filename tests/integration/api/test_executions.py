"""Executions over HTTP."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from tests.integration.api.conftest import SOON, Api, Serve

from helperhub import Every, helper
from helperhub.model.access import Scope
from helperhub.model.execution import Status, Trigger
from helperhub.services.audit import AuditFilter
from helperhub.services.helpers import HelperUpdate

PATH = "/api/v1/executions"


@helper
def talker(ctx: Any) -> str:
    """Say how far it is."""
    ctx.log.info("halfway there")
    ctx.progress(1, 2, "half")
    return "done"


def walk(api: Api, **filters: Any) -> list[str]:
    """Return the ids of all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = api.client.get(PATH, params={**filters, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["executions"]) <= filters.get("limit", 50)
        found += [one["id"] for one in page["executions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def ended(api: Api, helper_: str, number: int, **metadata: Any) -> list[str]:
    """Start executions and wait for their ends, one after the other; return their ids."""
    ids: list[str] = []
    for place in range(number):
        ids.append(api.hub.enqueue(helper_, {"n": place}, metadata=metadata))
        assert api.hub.wait(ids[-1], timeout=SOON).status.final
    return ids


def test_pages_hold_each_execution_once_newest_first(serve: Serve) -> None:
    api = serve(worker=True)
    ids = [*ended(api, "echo", 5), *ended(api, "broken", 3)]
    waiting = api.hub.enqueue("echo", id="later", at=api.hub._redis_time() + SOON * 60)

    assert walk(api, limit=2) == [waiting, *reversed(ids)]
    assert walk(api, limit=2, helper="echo") == [waiting, *reversed(ids[:5])]
    assert walk(api, limit=2, status="error") == [*reversed(ids[5:])]
    assert walk(api, limit=1, status=["error", "success"]) == [*reversed(ids)]
    assert walk(api, limit=2, status="queued") == [waiting]


def test_page_goes_on_where_the_last_ended_though_more_ended_meanwhile(serve: Serve) -> None:
    api = serve(worker=True)
    ids = ended(api, "echo", 4)

    for filters in ({}, {"helper": "echo"}, {"status": "success"}):
        first = api.client.get(PATH, params={"limit": 2, **filters}).json()
        newer = ended(api, "echo", 1)
        second = api.client.get(PATH, params={"limit": 2, "cursor": first["next_cursor"], **filters}).json()

        assert [one["id"] for one in first["executions"] + second["executions"]] == [*reversed(ids[-4:])]
        ids += newer


def test_list_is_narrowed_by_queue_time_and_metadata(serve: Serve) -> None:
    api = serve(worker=True)
    (first,) = ended(api, "echo", 1, app="shop", user="ada")
    middle = api.hub._redis_time().isoformat()
    (second,) = ended(api, "echo", 1, app="shop", user="bob")

    assert walk(api, since=middle) == [second]
    assert walk(api, until=middle) == [first]
    assert walk(api, until=middle, helper="echo") == [first]
    assert walk(api, metadata="app=shop") == [second, first]
    assert walk(api, metadata=["app=shop", "user=ada"]) == [first]
    assert walk(api, queue="default") == [second, first]
    assert walk(api, queue="low") == []


def test_planned_executions_are_listed_when_asked_for(serve: Serve) -> None:
    api = serve()
    api.client.put("/api/v1/helpers/echo", json={"schedule": "every 30m"})

    found = walk(api, status="planned", limit=3)

    assert found == [one.id for one in api.hub.plan.upcoming()]
    assert walk(api) == []


def test_cursor_of_another_list_or_by_hand_is_refused(serve: Serve) -> None:
    api = serve(worker=True)
    ended(api, "echo", 3)
    cursor = api.client.get(PATH, params={"limit": 1}).json()["next_cursor"]

    other = api.client.get(PATH, params={"cursor": cursor, "helper": "echo"})
    by_hand = api.client.get(PATH, params={"cursor": "eyJwYXJ0IjoiZW5kZWQiLCJhdCI6WyJ4Il19"})
    nonsense = api.client.get(PATH, params={"cursor": "~~~"})

    assert [answer.status_code for answer in (other, by_hand, nonsense)] == [404, 404, 404]
    assert other.json()["detail"] == "That is no cursor of this list."


def test_wrong_filters_say_what_to_write(api: Api) -> None:
    assert api.client.get(PATH, params={"metadata": "app"}).json()["detail"].endswith("is not of the form name=value.")
    assert api.client.get(PATH, params={"since": "yesterday"}).status_code == 400
    assert api.client.get(PATH, params={"status": "lost"}).status_code == 422


def test_execution_is_shown_with_errors_progress_and_log(serve: Serve) -> None:
    api = serve([talker], worker=True)
    id_ = api.hub.enqueue("talker")
    api.hub.wait(id_, timeout=SOON)
    deadline = time.monotonic() + 10
    reports = api.hub.executions
    while not (reports.log(id_) and reports.progress(id_)) and time.monotonic() < deadline:
        threading.Event().wait(0.02)  # reports are written once a second

    shown = api.client.get(f"{PATH}/{id_}").json()

    assert (shown["status"], shown["result"], shown["waits_for"]) == ("success", "done", None)
    assert shown["progress"] == {"done": 1, "total": 2, "text": "half"}
    assert [line["text"] for line in shown["log"]] == ["halfway there"]
    assert api.client.get(f"{PATH}/{id_}/log").json() == {"id": id_, "log": shown["log"]}
    assert api.client.get(f"{PATH}/{id_}/progress").json() == {"id": id_, "progress": shown["progress"]}


def test_planned_execution_with_slash_and_hash_in_its_id_is_found(api: Api) -> None:
    half = HelperUpdate(schedules={"half": Every(timedelta(minutes=30))})
    api.hub.helpers.update("echo/berlin", half, reason="", create=True)
    planned = api.hub.plan.upcoming(helper="echo/berlin")[0].id
    path = f"{PATH}/{quote(planned)}"

    assert planned.startswith("echo/berlin#half@")
    assert api.client.get(path).json()["id"] == planned
    assert api.client.get(f"{path}/log").json() == {"id": planned, "log": []}
    cancelled = api.client.post(f"{path}/cancel", json={"reason": "rain"}).json()
    assert cancelled == {"id": planned, "outcome": "cancelled"}
    assert api.client.get(path).json()["reason"] == "cancelled: rain"


def test_unknown_execution_is_a_404_on_every_route(api: Api) -> None:
    answers = [api.client.get(f"{PATH}/nobody{suffix}") for suffix in ("", "/log", "/progress", "/wait")]
    answers += [api.client.post(f"{PATH}/nobody{suffix}") for suffix in ("/cancel", "/replay")]

    assert [answer.status_code for answer in answers] == [404] * 6


def test_cancelled_execution_cant_be_cancelled_again(api: Api) -> None:
    id_ = api.hub.enqueue("echo")

    assert api.client.post(f"{PATH}/{id_}/cancel", json={"reason": "rain"}).json()["outcome"] == "cancelled"
    again = api.client.post(f"{PATH}/{id_}/cancel")

    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    entry = api.hub.audit.find(AuditFilter(action="execution.cancel"), limit=1)[0]
    assert (entry["target"], entry["reason"], entry["who"][:4]) == (id_, "rain", "key:")


def test_replay_puts_one_or_many_back(serve: Serve) -> None:
    api = serve(worker=True)
    ids = ended(api, "echo", 2)

    one = api.client.post(f"{PATH}/{ids[0]}/replay").json()
    many = api.client.post(f"{PATH}/replay", json={"ids": ids}).json()["replayed"]

    assert one["replay_of"] == ids[0]
    assert [row["replay_of"] for row in many] == ids
    assert api.hub.wait(many[1]["id"], timeout=SOON).result == {"n": 1}
    assert api.client.post(f"{PATH}/replay", json={"ids": [ids[0], "nobody"]}).status_code == 404


def test_wait_answers_as_soon_as_it_is_over(serve: Serve) -> None:
    api = serve(worker=True)
    id_ = api.hub.enqueue("echo", 5)

    answer = api.client.get(f"{PATH}/{id_}/wait", params={"timeout": "9s"})

    assert (answer.json()["status"], answer.json()["result"]) == ("success", 5)


def test_wait_answers_as_it_stands_when_the_time_is_over(api: Api) -> None:
    id_ = api.hub.enqueue("echo")

    assert api.client.get(f"{PATH}/{id_}/wait", params={"timeout": "100ms"}).json()["status"] == "queued"
    assert api.client.get(f"{PATH}/{id_}/wait", params={"timeout": "2m"}).status_code == 400
    assert api.client.get(f"{PATH}/{id_}/wait", params={"timeout": "soon"}).status_code == 400


def test_many_who_wait_hold_no_threads(api: Api) -> None:
    """Threads are 40: who waited in one kept everybody else out."""
    id_ = api.hub.enqueue("echo")
    answers: list[Any] = []
    key = api.key(Scope.READ)

    def wait() -> None:
        answers.append(api.showing(key).get(f"{PATH}/{id_}/wait", params={"timeout": "9s"}).json()["status"])

    waiting = [threading.Thread(target=wait) for _ in range(60)]
    for thread in waiting:
        thread.start()
    started = time.monotonic()
    assert api.client.get(f"{PATH}/{id_}").status_code == 200
    assert api.client.post(f"{PATH}/{id_}/cancel").status_code == 200
    assert time.monotonic() - started < 5
    for thread in waiting:
        thread.join(10)

    assert answers == ["cancelled"] * 60


def test_batch_starts_all_in_the_order_given(serve: Serve) -> None:
    api = serve(worker=True)
    rows = [{"helper": "echo", "payload": {"n": number}} for number in range(300)]

    answer = api.client.post(PATH, json={"executions": rows, "metadata": {"app": "shop"}})

    assert (answer.status_code, answer.json()["count"]) == (202, 300)
    last = api.hub.wait(answer.json()["executions"][-1]["id"], timeout=SOON)
    assert (last.result, last.trigger, last.metadata) == ({"n": 299}, Trigger.MANUAL, {"app": "shop"})
    assert [one["action"] for one in api.hub.audit.find(AuditFilter(), limit=9)].count("execution.start") == 1


def test_batch_with_options_of_single_ones(api: Api) -> None:
    rows = [
        {"helper": "echo", "id": "mine", "priority": 1},
        {"helper": "broken", "delay": "1h"},
        {"helper": "echo", "id": "mine"},
    ]

    found = api.client.post(PATH, json={"executions": rows}).json()["executions"]

    assert [row["existed"] for row in found] == [False, False, True]
    assert found[0]["id"] == found[2]["id"] == "mine"
    assert api.hub.executions.get("mine").priority == 1


def test_batch_under_an_idempotency_key_starts_nothing_twice(api: Api) -> None:
    body = {"executions": [{"helper": "echo"}, {"helper": "echo"}]}
    first, second = (api.client.post(PATH, json=body, headers={"Idempotency-Key": "k"}).json() for _ in range(2))

    assert second == first
    assert sorted(walk(api)) == sorted({row["id"] for row in first["executions"]})
    assert len(walk(api)) == 2


def test_batch_with_something_wrong_starts_nothing(api: Api) -> None:
    good = {"helper": "echo"}
    for bad in ({"helper": "nobody"}, {"helper": "echo", "delay": "soon"}, {"helper": "echo", "id": "two words"}):
        assert api.client.post(PATH, json={"executions": [good, bad]}).status_code in (400, 404)
    assert api.client.post(PATH, json={"executions": []}).status_code == 422
    assert api.client.post(PATH, json={"executions": [good] * 1001}).status_code == 422

    assert walk(api) == []


def test_narrowed_key_sees_and_starts_only_its_own(serve: Serve) -> None:
    api = serve(worker=True)
    (hidden,) = ended(api, "broken", 1)
    (own,) = ended(api, "echo", 1)
    narrowed = api.asking(Scope.MANAGE, helpers=["echo"])

    assert [one["id"] for one in narrowed.get(PATH).json()["executions"]] == [own]
    for suffix in ("", "/log", "/progress", "/wait"):
        assert narrowed.get(f"{PATH}/{hidden}{suffix}").status_code == 404
    assert narrowed.post(f"{PATH}/{hidden}/replay").status_code == 404
    assert narrowed.post(f"{PATH}/{hidden}/cancel").status_code == 404
    assert narrowed.post(f"{PATH}/replay", json={"ids": [own, hidden]}).status_code == 404
    assert narrowed.post(PATH, json={"executions": [{"helper": "echo"}, {"helper": "broken"}]}).status_code == 404
    assert api.hub.executions.get(hidden).status is Status.ERROR
