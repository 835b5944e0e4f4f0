"""Plugins as the scheduler found them: loaded, quarantined with the reason, blocked; text only."""

from __future__ import annotations

from tests.integration.api.conftest import Api
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope
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
