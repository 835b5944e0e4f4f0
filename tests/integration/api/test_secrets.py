"""Fields that a helper declares secret are seen by the helper, and by nobody else."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field, SecretStr
from tests.integration.api.conftest import SOON, Serve

from helperhub import RetryPolicy, helper


class Account(BaseModel):
    holder: str
    iban: str = Field(json_schema_extra={"secret": True})


class Login(BaseModel):
    user: str
    phrase: SecretStr | None = None
    accounts: list[Account] = []


@helper(payload_model=Login, retry=RetryPolicy(max_attempts=1))
def login(ctx: Any) -> None:
    ctx.log.info("tries %s", ctx.payload.phrase.get_secret_value())
    message = f"refused {ctx.payload.phrase.get_secret_value()} of {ctx.payload.accounts[0].iban} at token=abc"
    raise LookupError(message)


PAYLOAD = {"user": "ada", "phrase": "open sesame", "accounts": [{"holder": "ada", "iban": "DE0212030000"}]}


def test_declared_secrets_are_in_no_record_error_or_log(serve: Serve) -> None:
    api = serve([login], worker=True)

    id_ = api.hub.enqueue("login", PAYLOAD)
    execution = api.hub.wait(id_, timeout=SOON)

    error = execution.errors[-1]
    assert execution.payload == {
        "user": "ada",
        "phrase": "[redacted]",
        "accounts": [{"holder": "ada", "iban": "[redacted]"}],
    }
    assert error.message == "refused [redacted] of [redacted] at token=[redacted]"
    shown = json.dumps([execution.to_document(), api.hub.executions.log(id_)])
    assert "sesame" not in shown
    assert "DE0212030000" not in shown
    assert "in login" in error.traceback


def test_replay_gives_the_helper_what_it_was_given_at_first(serve: Serve) -> None:
    api = serve([login], worker=True)
    first = api.hub.enqueue("login", PAYLOAD)
    api.hub.wait(first, timeout=SOON)

    ((_, again),) = api.hub.executions.replay([first])
    ended = api.hub.wait(again, timeout=SOON)

    # Had it been given what is shown, there would be nothing to take out of the text, and no phrase of four letters.
    assert ended.errors[-1].message == "refused [redacted] of [redacted] at token=[redacted]"
    record = api.hub.records.record(again)
    assert record is not None
    assert api.hub.envelopes.open(again, record).payload == PAYLOAD


def test_spec_in_the_catalogue_names_them_for_processes_without_the_plugin(serve: Serve) -> None:
    api = serve([login])

    assert api.hub.catalogue.read().rows["login"].spec.secret_fields == ("iban", "phrase")


def test_schema_of_payloads_is_shown_where_one_helper_is(serve: Serve) -> None:
    api = serve([login])

    shown = api.client.get("/api/v1/helpers/login").json()

    assert list(shown["payload_schema"]["properties"]) == ["user", "phrase", "accounts"]
    assert api.client.get("/helpers/login").json()["payload_schema"] == shown["payload_schema"]
    assert "payload_schema" not in api.client.get("/api/v1/helpers").json()["helpers"][0]
