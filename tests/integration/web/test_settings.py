"""Settings: values with their source for admins, and never a secret."""

from __future__ import annotations

from tests.integration.api.conftest import Serve
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope

SECRET = "correct-horse-battery"


def read(browser: Browser, **asked: str) -> str:
    """Return the page, without the places where a long name may break."""
    text: str = browser.see("settings", params=asked).text
    return text.replace("<wbr>", "")


def test_settings_are_shown_with_value_and_source_and_no_secret(serve: Serve) -> None:
    api = serve(
        settings={
            "HELPERHUB_ALERTS__QUEUE_DEPTH": "77",
            "HELPERHUB_ON_FAILURE__SMTP_PASSWORD": SECRET,
            "HELPERHUB_ON_FAILURE__SMTP_USER": "ops",
        }
    )
    browser = Browser(api, api.key(Scope.ADMIN))

    page = read(browser)
    set_only = read(browser, only="set")

    assert "<code>77</code>" in page
    assert SECRET not in page
    assert "HELPERHUB_ALERTS__QUEUE_DEPTH" in set_only
    assert "HELPERHUB_LOG__LEVEL" not in set_only


def test_settings_are_found_by_name_and_meaning(browser: Browser) -> None:
    found = read(browser, q="log__level")
    nothing = read(browser, q="<script>nothing")

    assert "HELPERHUB_LOG__LEVEL" in found
    assert "HELPERHUB_WEB__PORT" not in found
    assert "No setting fits." in nothing
    assert "<script>nothing" not in nothing


def test_settings_are_for_admins_of_the_whole_hub(open_browser: Open) -> None:
    assert open_browser(Scope.MANAGE).see("settings").status_code == 403
    assert open_browser(Scope.ADMIN, helpers=["echo"]).see("settings").status_code == 403
