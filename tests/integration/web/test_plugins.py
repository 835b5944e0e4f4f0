"""Plugins as the scheduler found them: loaded, quarantined with the reason, blocked; text only."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from tests.integration.api.conftest import Api, Serve, echo
from tests.integration.statistics.conftest import ended, write
from tests.integration.web.conftest import Browser, Open

from helperhub import helper
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.plugins.loader import BlockedPlugin, Plugins, QuarantinedPlugin

HOSTILE = "<script>alert(1)</script>"


def test_registering_notes_the_plugins_that_were_found(api: Api, browser: Browser) -> None:
    found = api.hub.installed.show()

    assert found
    assert [(one["state"], one["helpers"]) for one in found["plugins"]] == [("loaded", 2)]
    assert found["by"] in browser.see("plugins").text


def test_quarantined_plugin_says_why_and_what_to_do(api: Api, browser: Browser, open_browser: Open) -> None:
    broken = QuarantinedPlugin(
        "reports", "helperhub-reports", "0.3", HOSTILE, "Install pandas", "Traceback: " + HOSTILE
    )
    blocked = BlockedPlugin("weather", "helperhub-weather", "1.0")
    api.hub.installed.note(Plugins((), (broken,), (blocked,)), by="host:1:x")

    page, reader = browser.see("plugins").text, open_browser(Scope.READ).see("plugins").text

    assert HOSTILE not in page
    assert "Install pandas." in page
    assert "HELPERHUB_PLUGINS__BLOCKED names it" in page
    assert "Traceback: &lt;script" in page
    assert "Traceback: " not in reader


def test_page_before_any_scheduler_teaches_how_to_start_one(api: Api, browser: Browser) -> None:
    api.hub.scripts.client.delete(api.hub.scripts.keys.at("plugins"))

    assert "No scheduler has said yet" in browser.see("plugins").text


def test_plugins_are_of_the_whole_hub(open_browser: Open) -> None:
    assert open_browser(Scope.READ, helpers=["echo"]).see("plugins").status_code == 403


def test_quality_is_what_became_of_executions_and_what_isnt_declared(serve: Serve, tmp_path: Path) -> None:
    @helper(name="broken")
    def undescribed(ctx: object) -> None:
        pass

    api = serve([echo, undescribed], settings={"HELPERHUB_DATABASE_URL": f"sqlite:///{tmp_path}/archive.db"})
    api.hub.upgrade_archive()
    database = api.hub.database
    assert database is not None
    api.stack.callback(database.close)
    at = api.hub.statistics.now() - timedelta(hours=3)
    outcomes = [*[("echo", Status.SUCCESS)] * 3, ("broken", Status.ERROR), ("gone", Status.ERROR)]
    write(database, [ended(at, name, status) for name, status in outcomes])

    page = Browser(api, api.key(Scope.READ)).see("plugins").text

    assert re.search(r">75.0 %</a> of 4 succeeded", page)
    assert "25.0 % of attempts failed" in page
    assert re.search(r'1 of <a href="/ui/helpers/broken">broken</a> failed or expired', page)
    assert "1 of 2 helpers without a description" in page
    assert "2 without a payload model" in page


def test_quality_without_an_archive_says_how_to_get_one(browser: Browser) -> None:
    page = browser.see("plugins").text

    assert "This hub has no archive" in page
    assert "not known without an archive" in page
