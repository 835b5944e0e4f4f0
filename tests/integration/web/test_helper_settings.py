"""Each setting of a helper with its source: its author, somebody's change, the hub's variables, what is standard."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr
from tests.integration.api.conftest import Serve
from tests.integration.web.conftest import Browser

from helperhub import Daily, RetryPolicy, helper
from helperhub.model.access import Scope
from helperhub.services.helpers import HelperUpdate

Rows = dict[str, tuple[str, str]]


class Login(BaseModel):
    phrase: SecretStr


@helper(
    queue="high",
    priority=2,
    schedule=Daily("07:30", tz="Europe/Berlin"),
    time_limit=timedelta(minutes=5),
    retry=RetryPolicy(max_attempts=7, delays=(timedelta(seconds=1), timedelta(minutes=1))),
    concurrency=2,
    payload={"city": "Rome"},
)
def declared(ctx: Any) -> None:
    """Do nothing."""


@helper(queue="low")
def bare(ctx: Any) -> None:
    """Do nothing."""


@helper(payload_model=Login, payload={"phrase": "open sesame"})
def login(ctx: Any) -> None:
    """Do nothing."""


def rows_of(browser: Browser, name: str) -> Rows:
    page = browser.see(f"helpers/{name}").text.replace("<wbr>", "")
    table = page[page.index("<h2>Settings</h2>") :]
    found = re.findall(
        r'<th scope="row"[^>]*>(.*?)</th><td data-label="Value"[^>]*>(.*?)</td><td data-label="From"[^>]*>(.*?)</td>',
        table,
        re.DOTALL,
    )
    return {_text(name): (_text(value), _text(source)) for name, value, source in found}


def _text(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def test_what_its_author_declares_is_his(serve: Serve) -> None:
    api = serve([declared])

    rows = rows_of(Browser(api, api.key(Scope.READ)), "declared")

    author = rows["Priority"][1]
    assert author == "helperhub-test 0"
    assert rows["Schedule"] == ("daily at 07:30 Europe/Berlin", author)
    assert rows["Queue"] == ("high", author)
    assert rows["Time limit of an attempt"] == ("5m", author)
    assert rows["Attempts, at most"] == ("7", author)
    assert rows["Between attempts"] == ("1s, 1m", author)
    assert rows["Limits"] == ("concurrency 2", author)
    assert rows["Payload"][1] == author
    assert rows["Expires after"] == ("1h", "standard")
    assert rows["Callback"] == ("none", "standard")


def test_what_nobody_says_is_the_queues_or_standard_and_the_variable_is_named(serve: Serve) -> None:
    api = serve([bare], settings={"HELPERHUB_QUEUES__LOW__TIME_LIMIT": "3m"})

    rows = rows_of(Browser(api, api.key(Scope.READ)), "bare")

    assert rows["Time limit of an attempt"] == ("3m", "HELPERHUB_QUEUES__LOW__TIME_LIMIT")
    assert rows["Attempts, at most"] == (
        "3",
        "standard of queue low HELPERHUB_QUEUES__LOW__MAX_ATTEMPTS changes it",
    )
    assert {name for name, (_, source) in rows.items() if source == "standard"} >= {"Priority", "Payload", "Limits"}


def test_what_was_changed_says_so_with_reason_and_what_was_declared(serve: Serve) -> None:
    api = serve([declared])
    browser = Browser(api, api.key(Scope.ADMIN))
    change = HelperUpdate(priority=5, enabled=False, limits={"concurrency": 9}, expires_after=timedelta(hours=2))
    api.hub.helpers.update("declared", change, reason="the mail is late")

    rows = rows_of(browser, "declared")

    assert rows["Priority"] == ("5", "changed by hand declared: 2")
    assert rows["Planned"] == ("no", "changed by hand declared: yes")
    assert rows["Limits"] == ("concurrency 9", "changed by hand declared: concurrency 2")
    assert rows["Expires after"] == ("2h", "changed by hand declared: 1h")
    assert rows["Queue"][1] == "helperhub-test 0"
    page = browser.see("helpers/declared").text
    assert "the mail is late" in page
    assert "/ui/audit?target=declared" in page


def test_payload_with_secrets_isnt_shown(serve: Serve) -> None:
    api = serve([login])

    assert rows_of(Browser(api, api.key(Scope.READ)), "login")["Payload"][0] == "has secrets, and isn't shown"


def test_plugins_own_variables_are_for_admins(serve: Serve) -> None:
    variables = {"HELPERHUB_TEST__CITY": "Rome", "HELPERHUB_TEST__TOKEN": "open sesame"}
    api = serve([bare], settings=variables)

    admin, manager = (rows_of(Browser(api, api.key(scope)), "bare") for scope in (Scope.ADMIN, Scope.MANAGE))

    assert admin["HELPERHUB_TEST__CITY"][0] == "Rome"
    assert admin["HELPERHUB_TEST__TOKEN"][0] == "***"
    assert not [name for name in manager if "HELPERHUB" in name]
