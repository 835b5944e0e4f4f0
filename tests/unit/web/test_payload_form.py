"""A payload's form: its fields, what they say when they are sent, and what is wrong with that."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr, create_model

from helperhub.plugins.payload_schema import build_payload_schema
from helperhub.plugins.secret_fields import find_secret_fields
from helperhub.web.payload.checks import find_flaws
from helperhub.web.payload.fields import MOST_FIELDS, all_fields, build_fields
from helperhub.web.payload.fields import Field as FormField
from helperhub.web.payload.reading import as_sent, filled_again, read_fields, unplaced


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Address(BaseModel):
    street: str
    number: int | None = None
    verified: bool = False


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    city: str = Field(title="Town", description="Where to.\n\nFor who reads the code.", max_length=20)
    note: str | None = None
    count: int = Field(default=1, ge=1, le=9)
    price: float = 9.5
    urgent: bool
    gift: bool = True
    paid: bool | None = None
    colour: Colour = Colour.RED
    method: Literal["GET", "HEAD", 3] = "GET"
    on: date | None = None
    at: datetime | None = None
    alarm: time | None = None
    tags: list[str] = ["a"]
    sizes: list[int] = []
    address: Address
    second: Address | None = None
    extra: dict[str, Any] = {}
    either: int | list[str] = 0
    amount: Decimal = Decimal(0)


class Login(BaseModel):
    user: str
    phrase: SecretStr
    accounts: list[dict[str, Any]] = []
    codes: list[SecretStr] = []


LEAST = {"city": "Rome", "urgent": False, "address": {"street": "Via"}}


def schema_of(model: Any) -> str:
    return build_payload_schema(model, find_secret_fields(model))


def build(model: Any, payload: Any = None) -> tuple[FormField, ...]:
    found = build_fields(json.loads(schema_of(model)), payload, find_secret_fields(model))
    assert found is not None
    return found


def one(name: str, model: Any = Order, payload: Any = None) -> FormField:
    return next(field for field in build(model, payload) if field.path == (name,))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("city", "text"),
        ("note", "text"),
        ("count", "whole"),
        ("price", "number"),
        ("urgent", "switch"),
        ("paid", "choice"),
        ("colour", "choice"),
        ("method", "choice"),
        ("on", "date"),
        ("at", "moment"),
        ("alarm", "time"),
        ("tags", "lines"),
        ("address", "group"),
        ("second", "group"),
        ("extra", "json"),
        ("either", "json"),
        ("amount", "text"),
    ],
)
def test_field_is_of_the_kind_that_its_schema_asks_for(name: str, kind: str) -> None:
    assert one(name).kind == kind


def test_field_says_what_its_author_says() -> None:
    city, count, gift = one("city"), one("count"), one("gift")

    assert (city.label, city.hint, city.required, city.limits) == ("Town", "Where to.", True, {"maxlength": 20})
    assert (count.hint, count.required, count.limits) == ("Without it: 1", False, {"min": 1, "max": 9})
    assert gift.checked


@pytest.mark.parametrize(
    ("model", "payload"),
    [
        (RootModel[list[int]], None),
        (Order, ["no mapping"]),
        (Order, {"unknown": 1}),
        (create_model("Wide", **{f"f{n}": (int, 0) for n in range(MOST_FIELDS + 1)}), None),  # type: ignore[call-overload]
    ],
)
def test_what_fields_cant_show_has_none(model: Any, payload: Any) -> None:
    assert build_fields(json.loads(schema_of(model)), payload) is None


def test_model_that_holds_itself_ends_in_json() -> None:
    class Tree(BaseModel):
        name: str
        inner: Tree | None = None

    kinds = [(len(field.path), field.kind) for field in all_fields(build(Tree)) if field.path[-1] == "inner"]

    assert kinds == [(1, "group"), (2, "group"), (3, "json")]


def test_only_what_is_surely_asked_for_must_be_filled_in() -> None:
    must = [field.path for field in all_fields(build(Order)) if field.must and field.kind not in ("group", "switch")]

    assert must == [("city",), ("address", "street")]


def test_empty_form_says_nothing_but_what_is_asked_for() -> None:
    fields = build(Order)

    assert read_fields(fields, as_sent(fields)).payload == {"urgent": False, "address": {}}


def test_what_is_filled_in_makes_the_payload() -> None:
    form = {
        "t/city": "Rome",
        "p/count": "3",
        "p/price": "1e1",
        "p/paid": "false",
        "p/method": "3",
        "p/at": "2026-11-23T08:30",
        "p/tags": " a \r\n\r\nb c",
        "p/sizes": "1\n2",
        "t/address/street": "Via",
        "j/extra": '{"a": [1]}',
    }

    assert read_fields(build(Order), form).payload == {
        "city": "Rome",
        "count": 3,
        "price": 10.0,
        "urgent": False,
        "gift": False,
        "paid": False,
        "method": 3,
        "at": "2026-11-23T08:30:00Z",
        "tags": ["a", "b c"],
        "sizes": [1, 2],
        "address": {"street": "Via"},
        "extra": {"a": [1]},
    }


@pytest.mark.parametrize(
    ("change", "path", "told"),
    [
        ({"t/city": ""}, ("city",), "Field required"),
        ({"t/city": "x" * 21}, ("city",), "at most 20 characters"),
        ({"p/count": "10"}, ("count",), "less than or equal to 9"),
        ({"p/count": "many"}, ("count",), "valid integer"),
        ({"p/price": "nan"}, ("price",), "finite number"),
        ({"p/colour": "blue"}, ("colour",), "'red' or 'green'"),
        ({"p/on": "soon"}, ("on",), "valid date"),
        ({"t/at": "soon"}, ("at",), "valid datetime"),
        ({"t/address/street": ""}, ("address", "street"), "Field required"),
        ({"p/second/number": "x", "t/second/street": "y"}, ("second", "number"), "valid integer"),
        ({"j/extra": "{"}, ("extra",), "It isn't JSON"),
        ({"j/extra": "[]"}, ("extra",), "valid dictionary"),
        ({"j/either": '{"a": 1}'}, ("either",), "fits none of the types"),
        ({"p/sizes": "1\nx"}, ("sizes",), "valid integer"),
    ],
)
def test_what_doesnt_fit_is_said_beside_its_field(change: dict[str, str], path: tuple[str, ...], told: str) -> None:
    fields = build(Order)
    form = {"t/city": "Rome", "t/address/street": "Via", **change}

    filled = read_fields(fields, form)
    flaws = [*filled.flaws, *find_flaws(schema_of(Order), filled.payload)]

    shown = filled_again(fields, form, flaws)
    assert [field.path for field in all_fields(shown) if field.problem] == [path]
    assert told in next(field.problem for field in all_fields(shown) if field.problem)
    assert unplaced(shown, flaws) == []
    assert {field.name: field.value for field in all_fields(shown)}.items() >= change.items()


def test_flaw_of_what_has_no_field_is_told_by_itself() -> None:
    flaws = find_flaws(schema_of(Order), {**LEAST, "other": 1})

    assert [flaw.path for flaw in unplaced(build(Order), flaws)] == [("other",)]


ADDRESS = st.fixed_dictionaries(
    {"street": st.text(max_size=5)}, optional={"number": st.none() | st.integers(-5, 5), "verified": st.booleans()}
)
ORDER = st.fixed_dictionaries(
    {"city": st.text(max_size=20), "urgent": st.booleans(), "address": ADDRESS},
    optional={
        "note": st.none() | st.text(max_size=9),
        "count": st.integers(1, 9),
        "price": st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 9),
        "gift": st.booleans(),
        "paid": st.none() | st.booleans(),
        "colour": st.sampled_from(["red", "green"]),
        "method": st.sampled_from(["GET", "HEAD", 3]),
        "on": st.none() | st.dates().map(str),
        "at": st.none() | st.datetimes().map(lambda at: at.isoformat() + "Z") | st.just("2026-11-23T08:30:00+05:30"),
        "alarm": st.none() | st.times().map(str),
        "tags": st.lists(st.text(max_size=4), max_size=3),
        "sizes": st.lists(st.integers(-3, 3), max_size=3),
        "second": st.none() | ADDRESS,
        "extra": st.dictionaries(st.text(max_size=3), st.none() | st.integers(0, 9) | st.text(max_size=3)),
        "amount": st.decimals(-9, 9, places=2).map(str) | st.integers(0, 9),
        "either": st.integers(0, 9) | st.lists(st.text(max_size=3)),
    },
)


@given(ORDER)
def test_form_that_nobody_changes_says_what_it_was_filled_with(payload: dict[str, Any]) -> None:
    fields = build(Order, payload)

    filled = read_fields(fields, as_sent(fields))

    assert filled.flaws == ()
    assert Order.model_validate(filled.payload) == Order.model_validate(payload)
    assert find_flaws(schema_of(Order), payload) == []
    # Whatever other payload the reader begins with.
    assert Order.model_validate(read_fields(build(Order), as_sent(fields)).payload) == Order.model_validate(payload)


SECRETS = {"user": "ada", "phrase": "open sesame", "accounts": [{"phrase": "open barley"}], "codes": ["open oats"]}


def test_secrets_are_never_in_a_field() -> None:
    fields = build(Login, SECRETS)

    assert "open" not in repr(fields)
    assert {field.path[0]: (field.kind, field.hidden) for field in fields} == {
        "user": ("text", False),
        "phrase": ("secret", True),
        "accounts": ("json", True),
        "codes": ("json", True),
    }
    assert one("phrase", Login).must
    assert not one("phrase", Login, SECRETS).must
    form = {"t/user": "ada", "p/phrase": "open wheat", "j/codes": '["open rye"]'}
    assert read_fields(fields, form).payload == {"user": "ada", "phrase": "open wheat", "codes": ["open rye"]}
    assert "open" not in repr(filled_again(fields, form, []))


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "[]",
        "3",
        '{"type": "string", "minLength": "x"}',
        '{"$ref": "#/$defs/none"}',
        '{"pattern": "(?<a", "type": "string"}',
    ],
)
def test_schema_that_cant_be_used_checks_nothing(schema: str) -> None:
    assert find_flaws(schema, {"a": 1} if "string" not in schema else "a") == []
    assert build_fields(json.loads(schema or "null"), None) is None


def test_pattern_that_would_take_for_ever_elsewhere_takes_no_time() -> None:
    schema = '{"type": "string", "pattern": "^(a+)+$"}'

    assert [flaw.path for flaw in find_flaws(schema, "a" * 5000 + "!")] == [()]
