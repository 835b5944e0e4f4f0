"""Both helpers, on a real archive and a real hub, with a mail server that keeps what it gets."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from helperhub import Context, Hub, helper
from helperhub.errors import ConfigurationError, HelperHubError, NotFound, UsageError
from helperhub.testing import MailSink, running_hub
from helperhub_housekeeping import plugin
from helperhub_housekeeping.settings import Settings


@helper
def tidy(ctx: Any) -> dict[str, Any]:
    """Report what it saved."""
    ctx.progress(1, 1)
    return {"totals": {"minutes_saved": 12}}


def run(function: Any, payload: Any = None, **settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = function(Context(payload=payload, settings=Settings.model_validate(settings)))
    return found


@pytest.mark.usefixtures("hub")
def test_clean_up_of_a_young_archive_removes_nothing_and_says_so() -> None:
    assert run(plugin.clean_up) == {
        "executions": {"success": 0, "error": 0, "expired": 0, "cancelled": 0, "skipped": 0},
        "total": 0,
        "hours": 0,
        "free_bytes": 0,
        "totals": {"executions_removed": 0},
    }


def test_report_is_mailed_put_into_the_chat_and_kept(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hooks/secret").respond_with_data("ok")
    with MailSink() as sink:
        monkeypatch.setenv("HELPERHUB_ON_FAILURE__SMTP_HOST", sink.host)
        monkeypatch.setenv("HELPERHUB_ON_FAILURE__SMTP_PORT", str(sink.port))
        chat = httpserver.url_for("/hooks/secret")

        found = run(
            plugin.weekly_report,
            {"week": "2026-W47"},
            mail_to="ada@example.org",
            chat_url=chat,
            timezone="Europe/Berlin",
            page_url="https://hub.example/",
        )

    page = "/api/v1/reports/weekly?week=2026-W47&timezone=Europe%2FBerlin"
    assert {name: found[name] for name in ("week", "page", "sent", "failed")} == {
        "week": "2026-W47",
        "page": page,
        "sent": ["ada@example.org", "chat at localhost"],
        "failed": [],
    }
    assert found["report"]["since"] == "2026-11-15T23:00:00Z"
    assert sink.mails[0]["Subject"] == f"[HelperHub] {hub.settings.hub}, 2026-W47: nothing ended"
    assert json.loads(httpserver.log[0][0].data)["text"].splitlines()[-1] == f"https://hub.example{page}"


@pytest.mark.usefixtures("hub")
def test_report_that_nobody_is_to_get_is_kept() -> None:
    found = run(plugin.weekly_report)

    assert (found["sent"], found["failed"]) == ([], [])
    assert found["report"]["now"]["executions"] == 0
    assert "totals" not in found


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("payload", [{"weak": "2026-W47"}, {"week": 47}, "2026-W47", {"week": "47"}])
def test_payload_that_names_no_week_is_refused(payload: Any) -> None:
    with pytest.raises(UsageError, match="2026-W47"):
        run(plugin.weekly_report, payload)


@pytest.mark.usefixtures("environ")
def test_hub_without_an_archive_is_told_what_to_do() -> None:
    for function in (plugin.clean_up, plugin.weekly_report):
        with pytest.raises(NotFound, match="helperhub db upgrade"):
            run(function)


def test_backup_is_written_read_again_and_the_oldest_go(hub: Hub, tmp_path: Path) -> None:
    name = hub.settings.hub
    old = [f"{name}-2026112{day}T030000Z.backup" for day in range(4)]
    others = [f"{name}-mine.backup", f"{name}-other-20200101T030000Z.backup", "readme"]
    for file in (*old, *others):
        (tmp_path / file).write_text("")

    found = run(plugin.backup, backup_dir=str(tmp_path), keep_backups=3)

    assert found["verified"] is True
    assert found["removed"] == old[:2]
    left = {path.name for path in tmp_path.iterdir()} - {"archive.db", "archive.db-wal", "archive.db-shm"}
    assert left == {*old[2:], *others, Path(found["file"]).name}
    assert hub.backups.check(Path(found["file"])).to_document()["hub"] == name


@pytest.mark.usefixtures("hub")
def test_backup_that_cant_be_written_removes_none(tmp_path: Path) -> None:
    with pytest.raises(HelperHubError, match="can't be written"):
        run(plugin.backup, backup_dir=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="BACKUP_DIR"):
        run(plugin.backup)


@pytest.mark.usefixtures("hub")
def test_what_ran_on_a_hub_is_in_its_report(environ: dict[str, str]) -> None:
    def register(registrar: Any) -> None:
        registrar.add(tidy)
        plugin.helperhub_register(registrar)

    settings = {**environ, "HELPERHUB_HOUSEKEEPING__TIMEZONE": "UTC"}
    del settings["HELPERHUB_REDIS_URL"]
    with running_hub(
        register, url=environ["HELPERHUB_REDIS_URL"], settings=settings, plugin="housekeeping", scheduler=False
    ) as running:
        ids = [running.enqueue("tidy") for _ in range(3)]
        ended = [running.wait(id_, timeout=timedelta(seconds=10)).finished_at for id_ in ids]
        running.build_archiver().advance()
        assert ended[0] is not None
        year, week, _ = ended[0].isocalendar()
        execution = running.wait(
            running.enqueue("weekly-report", {"week": f"{year}-W{week:02}"}), timeout=timedelta(seconds=20)
        )

    assert execution.status == "success", execution.errors
    assert execution.result["report"]["now"]["success"] == 3
    assert execution.result["report"]["totals"] == [{"helper": "tidy", "name": "minutes_saved", "now": 36, "before": 0}]
