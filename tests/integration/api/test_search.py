"""Searches and exports over HTTP, across Redis and archive."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.api.conftest import Api, Serve

from helperhub.model.access import Scope

PATH = "/api/v1/executions"


@pytest.fixture
def served(serve: Serve, archive_url: str, tmp_path: Path) -> Api:
    """A served hub whose archive has no executions yet."""
    api = serve(settings={"HELPERHUB_DATABASE_URL": archive_url, "HELPERHUB_DATA_DIR": str(tmp_path / "data")})
    api.hub.upgrade_archive()
    return api


def cancel(api: Api, helper: str, reason: str, count: int = 1) -> list[str]:
    """Let executions end, and return them newest first."""
    ids = [str(id_) for id_ in api.hub.enqueue_many([(helper, None)] * count)]
    api.hub.scripts.cancel(ids, reason=reason)
    return [one.id for one in sorted(map(api.hub.executions.get, ids), key=lambda one: one.id, reverse=True)]


def archive(api: Api) -> None:
    """Take over what ended, and let Redis forget it."""
    api.hub.build_archiver().advance()
    api.hub.scripts.trim("default", "f", keep_ms=-10_000, limit=10_000, bound_bytes=0, held=True)


def pages(api: Api, query: str, limit: int) -> Iterator[str]:
    cursor: str | None = None
    while True:
        params: dict[str, str | int] = {"q": query, "limit": limit, **({"cursor": cursor} if cursor else {})}
        answer = api.client.get(PATH, params=params)
        assert answer.status_code == 200, answer.text
        yield from (one["id"] for one in answer.json()["executions"])
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return


def test_search_is_paged_across_the_seam(served: Api) -> None:
    old = cancel(served, "echo", "the disk is full", 30)
    other = cancel(served, "broken", "the disk is full")
    archive(served)
    new = cancel(served, "echo", "the disk is gone", 5)

    for limit in (1, 4, 100):
        assert [*pages(served, "helper:echo disk", limit)] == [*new, *old]
    assert [*pages(served, "helper:echo full", 4)] == old
    assert [*pages(served, 'status:cancelled since:1h "disk is full"', 7)] == [*other, *old]


def test_page_says_whether_the_archive_was_read(served: Api) -> None:
    cancel(served, "echo", "x")
    archive(served)

    read = served.client.get(PATH).json()
    assert served.hub.database is not None
    with served.hub.database.write() as connection:
        connection.execute(text("DROP TABLE places"))
    away = served.client.get(PATH)

    assert read["archive"]["state"] == "read"
    assert len(read["executions"]) == 1
    assert away.status_code == 200
    assert (away.json()["archive"]["state"], away.json()["executions"]) == ("away", [])
    assert "places" in away.json()["archive"]["problem"]
    refused = served.client.get(f"{PATH}/export")
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")


def test_archived_execution_is_shown_and_not_replayed(served: Api) -> None:
    (id_,) = cancel(served, "echo", "the disk is full")
    archive(served)

    shown = served.client.get(f"{PATH}/{id_}")
    replayed = served.client.post(f"{PATH}/{id_}/replay")
    status = served.client.get(f"/jobs/{id_}/status")

    assert (shown.status_code, shown.json()["reason"], shown.json()["log"]) == (200, "the disk is full", [])
    assert (replayed.status_code, replayed.json()["code"]) == (409, "conflict")
    assert "only the archive has it" in replayed.json()["detail"]
    assert status.status_code == 200
    assert served.client.get(f"{PATH}/nobody").status_code == 404


def test_search_that_cant_be_understood_is_a_problem_with_a_hint(served: Api) -> None:
    wrong = served.client.get(PATH, params={"q": "hlper:echo"})
    twice = served.client.get(PATH, params={"q": "helper:echo", "helper": "echo"})
    export = served.client.get(f"{PATH}/export", params={"q": 'text:"x'})

    assert [one.status_code for one in (wrong, twice, export)] == [400, 400, 400]
    assert "'hlper:' is no qualifier" in wrong.json()["detail"]
    assert "Did you mean 'helper:'?" in wrong.json()["hint"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_export_has_all_that_is_found(served: Api, kind: str) -> None:
    old = cancel(served, "echo", "=cmd", 700)
    archive(served)
    new = cancel(served, "echo", "=cmd", 700)
    cancel(served, "broken", "=cmd")

    answer = served.client.get(f"{PATH}/export", params={"q": "helper:echo", "format": kind})

    assert answer.status_code == 200
    assert f'filename="executions.{kind}"' in answer.headers["content-disposition"]
    if kind == "csv":
        rows = [*csv.DictReader(io.StringIO(answer.text, newline=""))]
        assert {row["reason"] for row in rows} == {"'=cmd"}
    else:
        rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["id"] for row in rows] == [*new, *old]


def test_narrowed_key_finds_and_exports_what_it_may_see(served: Api) -> None:
    seen, hidden = cancel(served, "echo", "x"), cancel(served, "broken", "x")
    archive(served)
    narrowed = served.asking(Scope.READ, helpers=["echo"])

    listed = narrowed.get(PATH).json()["executions"]
    exported = narrowed.get(f"{PATH}/export").text.splitlines()

    assert [one["id"] for one in listed] == seen
    assert [json.loads(line)["id"] for line in exported] == seen
    assert narrowed.get(f"{PATH}/{hidden[0]}").status_code == 404
    assert served.showing().get(f"{PATH}/export").status_code == 401
