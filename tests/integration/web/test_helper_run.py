"""The form that runs a helper, made from its payload model: fields, what is wrong beside them, JSON, and secrets."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator, Field, SecretStr
from tests.integration.api.conftest import Api, Serve
from tests.integration.web.conftest import Browser, Open

from helperhub import Daily, helper
from helperhub.model.access import Scope
from helperhub.services.helpers import HelperUpdate

HOSTILE = '"><img src=x onerror=alert(1)>'


class Place(BaseModel):
    street: str = Field(description=HOSTILE)


class Order(BaseModel):
    city: str = Field(title=f"Town {HOSTILE}", max_length=20)
    count: int = Field(default=1, ge=1, le=9)
    urgent: bool = False
    place: Place | None = None
    extra: dict[str, Any] = {}
    #: Takes more than its schema tells.
    size: Annotated[str, BeforeValidator(str)] = "s"


class Login(BaseModel):
    url: str
    phrase: SecretStr


@helper(payload_model=Order, schedule=Daily("03:00"), payload={"city": "Rome", "count": 3})
def order(ctx: Any) -> Any:
    return ctx.payload.model_dump()


@helper(payload_model=Login, schedule=Daily("03:00"), payload={"url": "https://a.example", "phrase": "open sesame"})
def login(ctx: Any) -> Any:
    return ctx.payload.phrase.get_secret_value()


@pytest.fixture
def api(serve: Serve) -> Api:
    """A served hub with two helpers that have payload models, and one that has none."""

    @helper
    def plain(ctx: Any) -> None:
        """Do nothing."""

    return serve([order, login, plain])


def form_in(page: str) -> str:
    found = re.search(r'<section class="card" id="run">.*?</section>', page, re.DOTALL)
    assert found
    return found[0]


def value_of(form: str, name: str) -> str | None:
    found = re.search(rf'name="{re.escape(name)}"[^>]*? value="([^"]*)"', form)
    return found[1] if found else None


def started_in(api: Api, page: str) -> Any:
    found = re.search(r'Started: <a href="/ui/executions/([^"]+)"', page)
    assert found, page
    record = api.hub.records.record(found[1])
    assert record is not None
    return api.hub.envelopes.open(found[1], record).payload


def test_form_has_a_field_for_each_of_the_models_filled_as_the_schedule_says(browser: Browser) -> None:
    form = form_in(browser.see("helpers/order").text)

    assert value_of(form, "t/city") == "Rome"
    assert value_of(form, "p/count") == "3"
    assert 'type="checkbox" value="yes" id="run-f3" name="p/urgent"' in form
    assert "<legend>Place" in form
    assert 'name="t/place/street"' in form
    assert re.search(r'<textarea id="run-f6" name="j/extra"', form)
    assert HOSTILE not in form
    assert "Town &#34;&gt;&lt;img" in form
    assert "payload_model" in form_in(browser.see("helpers/plain").text)


def test_what_is_filled_in_is_what_the_execution_is_given(api: Api, browser: Browser) -> None:
    fields = {"as": "fields", "t/city": "Oslo", "p/count": "2", "p/urgent": "yes", "t/place/street": "Gate"}

    page = browser.do("helpers/-/run/order", {**fields, "j/extra": '{"a": 1}'}).text

    assert started_in(api, page) == {
        "city": "Oslo",
        "count": 2,
        "urgent": True,
        "place": {"street": "Gate"},
        "extra": {"a": 1},
    }


def test_what_doesnt_fit_is_said_beside_its_field_and_starts_nothing(api: Api, browser: Browser) -> None:
    page = browser.do("helpers/-/run/order", {"as": "fields", "t/city": "Oslo", "p/count": "99", "delay": "1h"}).text

    assert "Started" not in page
    assert re.search(r'id="run-f2" name="p/count" aria-describedby="run-f2-hint run-f2-problem" aria-invalid', page)
    assert re.search(r'id="run-f2-problem" role="alert">Input should be less than or equal to 9<', page)
    assert (value_of(page, "t/city"), value_of(page, "p/count"), value_of(page, "delay")) == ("Oslo", "99", "1h")
    assert api.client.get("/api/v1/executions").json()["executions"] == []


def test_form_is_switched_to_json_and_back_with_what_it_holds(browser: Browser) -> None:
    fields = {"as": "fields", "t/city": "Oslo", "p/count": "many", "priority": "1"}

    page = browser.do("helpers/-/form/order?as=json", fields).text
    assert "&#34;city&#34;: &#34;Oslo&#34;" in page
    assert "&#34;count&#34;: &#34;many&#34;" in page
    assert "<option selected>1</option>" in page

    json_form = {"as": "json", "payload": '{"city": "Bonn", "count": 4}'}
    again = browser.do("helpers/-/form/order?as=fields", json_form).text
    assert (value_of(again, "t/city"), value_of(again, "p/count")) == ("Bonn", "4")
    assert (
        "can&#39;t be shown in fields"
        in browser.do("helpers/-/form/order?as=fields", {"as": "json", "payload": '{"other": 4}'}).text
    )
    assert "isn&#39;t JSON" in browser.do("helpers/-/form/order?as=fields", {"as": "json", "payload": "{"}).text


def test_json_that_doesnt_fit_is_told_and_can_be_run_all_the_same(api: Api, browser: Browser) -> None:
    form = {"as": "json", "payload": '{"city": "Bonn", "size": 40}'}

    page = browser.do("helpers/-/run/order", form).text

    assert "<code>size</code>: Input should be a valid string" in page
    assert "Started" not in page
    assert started_in(api, browser.do("helpers/-/run/order", {**form, "anyway": "yes"}).text)["size"] == 40


def test_secret_is_a_password_and_never_shown_back(api: Api, browser: Browser) -> None:
    form = form_in(browser.see("helpers/login").text)
    assert 'type="password"' in form
    assert "sesame" not in form

    filled = {"as": "fields", "t/url": "https://b.example", "p/phrase": "open wheat"}
    page = browser.do("helpers/-/run/login", filled).text
    assert started_in(api, page) == {"url": "https://b.example", "phrase": "open wheat"}
    switched = browser.do("helpers/-/form/login?as=json", filled).text
    assert "b.example" in switched
    assert "wheat" not in page + switched


def test_schedules_secret_goes_with_nothing_that_somebody_changed(api: Api, browser: Browser) -> None:
    as_it_was = {"as": "fields", "t/url": "https://a.example", "p/phrase": ""}
    page = browser.do("helpers/-/run/login", as_it_was).text
    assert started_in(api, page) == {"url": "https://a.example", "phrase": "open sesame"}

    elsewhere = browser.do("helpers/-/run/login", {**as_it_was, "t/url": "https://evil.example"}).text
    assert "Started" not in elsewhere
    assert re.search(r'id="run-f2-problem" role="alert">Field required<', elsewhere)


def test_payload_that_has_no_place_in_fields_is_json_from_the_start(api: Api, browser: Browser) -> None:
    api.hub.helpers.update("order", HelperUpdate(payload={"city": "Rome", "other": 1}, has_payload=True))

    form = form_in(browser.see("helpers/order").text)

    assert 'id="run-payload"' in form
    assert "&#34;other&#34;: 1" in form


def test_form_is_for_those_who_may_run(open_browser: Open) -> None:
    reader, other = open_browser(Scope.READ), open_browser(Scope.RUN, helpers=["login"])

    assert 'id="run"' not in reader.see("helpers/order").text
    assert reader.do("helpers/-/form/order?as=json", {}).status_code == 403
    assert other.do("helpers/-/form/order?as=json", {}).status_code == 404
