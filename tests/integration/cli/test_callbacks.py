"""``helperhub callbacks`` and ``--callback`` against a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.testing import Result

from helperhub import Hub

Call = Callable[..., Result]
Answer = Callable[..., Any]
URL = "https://shop.example.org/done"


def test_callbacks_are_listed_without_the_query(call: Call, answer: Answer, hub: Hub) -> None:
    id_ = answer("helpers", "run", "tidy", "--callback", f"{URL}?token=secret")["id"]
    call("executions", "cancel", id_)
    hub.load_plugins()
    hub._ends.call_back()

    (found,) = answer("callbacks", "list", "--execution", id_)["callbacks"]
    text = call("callbacks", "list").stdout

    assert (found["id"], found["type"], found["url"]) == (f"callback:{id_}", "execution.cancelled", f"{URL}?...")
    assert text.splitlines()[0].split() == ["ID", "WHEN", "STATE", "URL", "ANSWER"]
    assert "token=secret" not in text
    assert answer("callbacks", "list", "--status", "success")["callbacks"] == []
    assert call("callbacks", "replay", f"callback:{id_}").exit_code == 1  # it waits
    assert call("callbacks", "replay", id_).exit_code == 3


def test_callback_of_a_helper_is_set_and_dropped(call: Call, answer: Answer) -> None:
    assert call("helpers", "update", "tidy", "--callback", URL).exit_code == 0
    assert answer("helpers", "show", "tidy")["callback"] == URL
    assert call("helpers", "update", "tidy", "--callback", "").exit_code == 0
    assert answer("helpers", "show", "tidy")["callback"] is None
    refused = call("helpers", "update", "tidy", "--callback", "http://ada:pw@example.org/")
    assert (refused.exit_code, "pw" in refused.stderr) == (2, False)


def test_secret_is_what_callbacks_are_signed_with(call: Call, answer: Answer, hub: Hub) -> None:
    text = call("callbacks", "secret").stdout.strip()

    assert text == hub.callback_secrets.all()[0]
    assert answer("callbacks", "secret") == {"secret": text}
