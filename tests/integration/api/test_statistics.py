"""Statistics and the weekly report over HTTP: figures, narrowed keys, page or document, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.api.conftest import Api, Serve
from tests.integration.statistics.conftest import ended, write

from helperhub.model.access import Scope
from helperhub.model.execution import Status

MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
SPAN = {"since": "2026-11-16T00:00:00Z", "until": "2026-11-23T00:00:00Z"}


@pytest.fixture
def api(serve: Serve, tmp_path: Path) -> Api:
    """A served hub with an archive in which a week is."""
    served = serve(settings={"HELPERHUB_DATABASE_URL": f"sqlite:///{tmp_path}/archive.db"})
    served.hub.upgrade_archive()
    database = served.hub.database
    assert database is not None
    write(database, [ended(MONDAY, "sync/a", queue="high") for _ in range(3)])
    write(database, [ended(MONDAY + timedelta(hours=2), "mail", Status.ERROR, queue="low") for _ in range(2)])
    served.stack.callback(database.close)
    return served


def test_summary_and_lists_have_the_figures(api: Api) -> None:
    summary = api.client.get("/api/v1/statistics/summary", params=SPAN).json()
    helpers = api.client.get("/api/v1/statistics/helpers", params={**SPAN, "order": "failing"}).json()
    queues = api.client.get("/api/v1/statistics/queues", params={**SPAN, "limit": 1}).json()

    assert (summary["now"]["executions"], summary["now"]["completion_rate"], summary["before"]["executions"]) == (
        5,
        0.6,
        0,
    )
    assert [(row["helper"], row["error"]) for row in helpers["helpers"]] == [("mail", 2)]
    assert [(row["queue"], row["executions"]) for row in queues["queues"]] == [("high", 3)]


def test_hours_and_series_are_for_charts(api: Api) -> None:
    hours = api.client.get("/api/v1/statistics/hours", params={**SPAN, "timezone": "Asia/Tokyo"}).json()
    series = api.client.get("/api/v1/statistics/series", params={**SPAN, "helper": "sync", "times": "true"}).json()

    assert hours["busiest"][0] == {"weekday": "monday", "hour": 18, "executions": 3}
    assert series["executions"] == [3, 0, 0, 0, 0, 0, 0]
    assert series["run_p95_ms"][1:] == [None] * 6


@pytest.mark.parametrize(
    ("narrowed", "seen"),
    [({"helpers": ["sync"]}, ["sync/a"]), ({"helpers": ["sync/b"]}, []), ({"queues": ["low"]}, ["mail"])],
)
def test_narrowed_key_sees_its_own_only(api: Api, narrowed: dict[str, list[str]], seen: list[str]) -> None:
    client = api.asking(Scope.READ, **narrowed)

    found = client.get("/api/v1/statistics/helpers", params=SPAN).json()["helpers"]
    other = client.get("/api/v1/statistics/summary", params={**SPAN, "helper": "mail", "queue": "low"}).json()["now"]

    assert [row["helper"] for row in found] == seen
    assert other["executions"] == (2 if "mail" in seen else 0)
    assert client.get("/api/v1/reports/weekly").status_code == 403


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html;q=nonsense", "application/json"),
        ("text/*", "text/html"),
    ],
)
def test_week_is_a_page_for_browsers_and_a_document_for_programs(api: Api, accept: str, kind: str) -> None:
    answer = api.client.get("/api/v1/reports/weekly", params={"week": "2026-W47"}, headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == kind
    assert answer.headers["vary"] == "Accept"
    if kind == "text/html":
        assert "Week 47 of 2026" in answer.text
        assert "default-src 'none'; style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    else:
        assert answer.json()["now"]["executions"] == 5


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("statistics/summary?since=2026-11-20T00:00:00Z&until=2026-11-19T00:00:00Z", 409, "no length"),
        ("statistics/summary?since=yesterday", 400, "not a time"),
        ("statistics/helpers?order=largest", 422, "busiest"),
        ("statistics/helpers?limit=0", 422, "limit"),
        ("statistics/hours?timezone=Berlin", 400, "Europe/Berlin"),
        ("statistics/series?by=hour&since=2000-01-01T00:00:00Z", 409, "10000 at most"),
        ("reports/weekly?week=last", 400, "2026-W47"),
        ("reports/weekly?week=2026-W60", 400, "no week"),
        ("reports/weekly?week=", 400, "2026-W47"),
        ("reports/weekly?timezone=", 400, "IANA name"),
        ("statistics/hours?timezone=", 400, "IANA name"),
    ],
)
def test_bad_input_is_answered(api: Api, path: str, status: int, word: str) -> None:
    answer = api.client.get(f"/api/v1/{path}")

    assert answer.status_code == status
    assert word in answer.text


def test_hub_without_an_archive_answers_404_with_what_to_do(serve: Serve, tmp_path: Path) -> None:
    api = serve(settings={"HELPERHUB_DATA_DIR": str(tmp_path)})

    for path in ("statistics/summary", "statistics/series", "reports/weekly"):
        answer = api.client.get(f"/api/v1/{path}")
        assert answer.status_code == 404
        assert "helperhub db upgrade" in answer.json()["hint"]


def test_archive_that_cant_be_reached_answers_503(serve: Serve, tmp_path: Path) -> None:
    api = serve(settings={"HELPERHUB_DATABASE_URL": f"postgresql://nobody@/none?host={tmp_path}"})

    answer = api.client.get("/api/v1/statistics/summary")

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["code"] == "archive_unavailable"
