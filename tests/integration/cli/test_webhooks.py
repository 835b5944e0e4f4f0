"""``helperhub webhooks`` against a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.testing import Result

Call = Callable[..., Result]
Answer = Callable[..., Any]


def test_webhook_is_made_listed_switched_rotated_and_deleted(answer: Answer) -> None:
    made = answer("webhooks", "create", "tidy", "--name", "shop", "--signed", "--max-body", "1000")
    rotated = answer("webhooks", "rotate", made["id"], "--overlap", "0s")
    secret = answer("webhooks", "rotate", made["id"], "--secret")
    disabled = answer("webhooks", "disable", made["id"], "--reason", "it floods us")
    (listed,) = answer("webhooks", "list")["webhooks"]
    enabled = answer("webhooks", "enable", made["id"])
    deleted = answer("webhooks", "delete", made["id"])

    assert made["path"] == f"/webhook/{made['token']}"
    assert made["secret"].startswith("whsec_")
    assert (made["helper"], made["name"], made["signed"], made["max_body"]) == ("tidy", "shop", True, 1000)
    assert rotated["token"] != made["token"]
    assert secret["secret"] != made["secret"]
    assert (disabled["enabled"], listed["enabled"], enabled["enabled"]) == (False, False, True)
    assert deleted == {"id": made["id"], "deleted": True}
    assert answer("webhooks", "list") == {"webhooks": []}


def test_path_and_secret_stand_on_stdout_for_people_who_put_them_into_a_variable(call: Call) -> None:
    made = call("webhooks", "create", "tidy/cellar", "--signed")

    path, secret = made.stdout.splitlines()
    assert path.startswith("/webhook/wh_")
    assert secret.startswith("whsec_")
    assert "nobody can see it again" in made.stderr
    assert "signed messages" in call("webhooks", "list").stdout


def test_webhook_of_no_helper_exits_3(call: Call) -> None:
    refused = call("webhooks", "create", "tidyy")

    assert refused.exit_code == 3
    assert "Did you mean 'tidy'?" in refused.stderr
