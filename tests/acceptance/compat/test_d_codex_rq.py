"""System D, Codex RQ: background work is started and followed to its end, many at once, none lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
from tests.acceptance.compat.conftest import ask, wait_for
from tests.integration.api.conftest import Api

_AT_ONCE = 100


def test_work_is_followed_from_its_start_to_its_end(api: Api) -> None:
    started = ask(api.client, "POST", "/helpers/report/run", body={"payload": 1}, status=202)
    path = f"/jobs/{started['task_id']}/status"

    wait_for(lambda: ask(api.client, "GET", path)["status"] not in ("queued", "running"))

    assert ask(api.client, "GET", path)["status"] == "finished"
    assert ask(api.client, "GET", path)["result"] == {"got": 1}


def test_hundred_starts_at_once_all_come_to_an_end(api: Api) -> None:
    def start(number: int) -> str:
        answer = api.client.post("/helpers/report/run", json={"payload": number})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(start, range(_AT_ONCE)))

    assert len(set(ids)) == _AT_ONCE
    wait_for(lambda: ask(api.client, "GET", "/queue/info")["finished"] == _AT_ONCE)
    assert ask(api.client, "GET", "/queue/info") == {"queued": 0, "running": 0, "failed": 0, "finished": _AT_ONCE}


def test_work_that_failed_is_counted_and_says_why(api: Api) -> None:
    started = ask(api.client, "POST", "/helpers/broken/run", status=202)
    path = f"/jobs/{started['task_id']}/status"

    wait_for(lambda: ask(api.client, "GET", path)["status"] == "failed")

    assert ask(api.client, "GET", path)["error"] == "RuntimeError: it is broken"
    assert ask(api.client, "GET", "/queue/info")["failed"] == 1


def test_wrong_requests_say_what_is_wrong(api: Api) -> None:
    unknown = api.client.post("/helpers/nobody/run")
    unfit = api.client.post("/helpers/report/run", json={"payload": 1, "priority": 9})
    garbled = api.client.post("/helpers/report/run", content=b"{", headers={"Content-Type": "application/json"})

    assert [_problem(one) for one in (unknown, unfit, garbled)] == [
        (404, "not_found"),
        (422, "invalid_request"),
        (422, "invalid_request"),
    ]


def _problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]
