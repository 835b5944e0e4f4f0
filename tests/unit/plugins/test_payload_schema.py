"""What is kept of a payload model: its schema, bounded, with nothing secret in it; where that can't be, a word."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model

from helperhub import helper
from helperhub.errors import InvalidHelper
from helperhub.plugins.payload_schema import MOST_BYTES, build_payload_schema
from helperhub.plugins.registrar import LoadedPlugin, Origin, PluginRegistrar
from helperhub.plugins.secret_fields import find_secret_fields
from helperhub.schedules.spec_document import spec_from_document, spec_to_document


class Account(BaseModel):
    iban: str = Field(default="DE0212030000", json_schema_extra={"secret": True})
    holder: str = "ada"


class Login(BaseModel):
    user: str = "ada"
    phrase: SecretStr = SecretStr("open sesame")
    api_token: str = "open barley"
    account: Account = Account()


class Clock:
    """Something that JSON Schema has no word for."""


class Unwritable(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    clock: Clock


class Large(BaseModel):
    size: int = Field(description="x" * MOST_BYTES)


def schema_of(model: Any) -> Any:
    return json.loads(build_payload_schema(model, find_secret_fields(model)))


def register(model: Any, *instances: str) -> LoadedPlugin:
    @helper(payload_model=model, name="login")
    def login(ctx: Any) -> None:
        """Do nothing."""

    hub = PluginRegistrar(
        Origin("logins", "helperhub-logins", "1.2"),
        settings_of=lambda _plugin, model: model(),
        timezone="UTC",
        started_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    for instance in instances or (None,):
        hub.add(login, instance=instance)
    return hub.finish()


def test_secret_fields_are_marked_and_their_values_left_out_at_any_depth() -> None:
    found = schema_of(Login)

    text = json.dumps(found)
    assert "sesame" not in text
    assert "barley" not in text
    assert "DE0212030000" not in text
    fields = found["properties"]
    assert [name for name in fields if fields[name].get("writeOnly")] == ["phrase", "api_token"]
    assert found["$defs"]["Account"]["properties"]["iban"]["writeOnly"]
    assert fields["user"]["default"] == found["$defs"]["Account"]["properties"]["holder"]["default"] == "ada"


def test_default_that_json_cant_express_is_left_out_without_a_warning() -> None:
    model = create_model("Odd", at=(Any, Field(default=object())))

    assert "default" not in schema_of(model)["properties"]["at"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (Large, f"more than {MOST_BYTES:,}"),
        (Unwritable, "has no JSON Schema"),
    ],
)
def test_model_without_a_usable_schema_is_told_and_its_helper_registered(model: Any, told: str) -> None:
    with pytest.raises(InvalidHelper, match=told):
        schema_of(model)

    found = register(model, "a", "b")

    assert [(spec.key, spec.payload_schema) for spec in found.specs] == [("login/a", None), ("login/b", None)]
    (problem,) = found.problems
    assert problem.startswith("Helper 'login' has no form for its payload")
    assert told in problem


def test_instances_share_one_schema() -> None:
    found = register(Login, "a", "b")

    first, second = found.specs
    assert first.payload_schema is second.payload_schema is not None
    assert found.problems == ()


def test_schema_is_kept_with_the_spec_and_older_documents_have_none() -> None:
    (spec,) = register(Login).specs
    document = spec_to_document(spec)

    assert spec_from_document(document) == spec
    del document["payload_schema"]
    assert spec_from_document(document).payload_schema is None
