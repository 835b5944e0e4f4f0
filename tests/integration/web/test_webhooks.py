"""Webhooks and callbacks: made, switched, rotated, deleted; what came in, what went out, and once more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.integration.api.conftest import Api, Serve
from tests.integration.services.targets import target
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.audit import AuditFilter
from helperhub.services.callbacks import CallbackFilter
from helperhub.services.webhooks import WebhookWish

WISH = {"helper": "echo", "name": "shop <b>orders</b>"}


def _address_in(page: str) -> str:
    found = re.search(r'value="https?://[^/"]+(/webhook/wh_[^"]+)"', page)
    assert found, page
    return found[1]


def _make(api: Api, helper: str = "echo") -> str:
    return str(api.hub.webhooks.create(WebhookWish(helper, "made"))[2]["id"])


def _told(api: Api) -> list[dict[str, Any]]:
    return api.hub.callbacks.find(CallbackFilter(statuses=frozenset({Status.SUCCESS})), limit=9)


def test_new_webhook_s_address_is_shown_once_and_takes_messages(api: Api, browser: Browser) -> None:
    answer = browser.do("webhooks/create", WISH)

    address = _address_in(answer.text)
    taken = api.client.post(address, json={"order": 1})
    page = browser.see("webhooks").text
    [webhook] = api.hub.webhooks.all()
    messages = browser.see("webhooks/messages", params={"id": webhook["id"]}).text

    assert taken.status_code < 300
    assert address not in page
    assert "&lt;b&gt;orders" in page
    assert "<b>orders" not in page + messages + answer.text
    assert 'data-label="Execution"' in messages


def test_signed_webhook_shows_its_secret(browser: Browser) -> None:
    answer = browser.do("webhooks/create", {**WISH, "signed": "yes"})

    assert 'value="whsec_' in answer.text


def test_wrong_wish_is_told_in_place(api: Api, browser: Browser) -> None:
    unknown = browser.do("webhooks/create", {"helper": "nobody", "name": "x"})
    size = browser.do("webhooks/create", {**WISH, "max_body": "lots"})

    assert "nobody" in unknown.text
    assert 'role="alert"' in unknown.text
    assert "number of bytes" in size.text
    assert api.hub.webhooks.all() == []


def test_webhook_is_switched_off_and_on(api: Api, browser: Browser) -> None:
    webhook = _make(api)

    browser.do("webhooks/disable", {"id": webhook})
    off = api.hub.webhooks.show(webhook)["enabled"]
    browser.do("webhooks/enable", {"id": webhook})

    assert (off, api.hub.webhooks.show(webhook)["enabled"]) == (False, True)
    assert api.hub.audit.find(AuditFilter(action="webhook.disable"), limit=1)[0]["target"] == webhook


def test_token_and_secret_are_rotated_and_shown_once(api: Api, browser: Browser) -> None:
    webhook = _make(api)

    token = browser.do("webhooks/rotate", {"id": webhook, "what": "token", "overlap": "0s"})
    assert _address_in(token.text)
    secret = browser.do("webhooks/rotate", {"id": webhook, "what": "secret", "overlap": "1d"})

    assert 'value="whsec_' in secret.text
    assert api.hub.webhooks.show(webhook)["signed"]
    assert browser.see("webhooks/rotate", params={"id": webhook, "what": "else"}).status_code == 400


def test_webhook_is_deleted_after_a_question(api: Api, browser: Browser) -> None:
    webhook = _make(api)

    asked = browser.see("webhooks/delete", params={"id": webhook}).text
    browser.do("webhooks/delete", {"id": webhook})

    assert "Delete webhook made?" in asked
    assert api.hub.webhooks.all() == []
    assert api.hub.audit.find(AuditFilter(action="webhook.delete"), limit=1)[0]["target"] == webhook


def test_narrowed_key_sees_its_own_and_makes_none_of_others(api: Api, open_browser: Open) -> None:
    webhook = _make(api)
    other = open_browser(Scope.MANAGE, helpers=["broken"])

    assert webhook not in other.see("webhooks").text
    assert other.do("webhooks/delete", {"id": webhook}).status_code == 404
    assert other.see("webhooks/messages", params={"id": webhook}).status_code == 404
    assert "isn&#39;t one of your key" in other.do("webhooks/create", WISH).text
    assert len(api.hub.webhooks.all()) == 1


def test_reader_is_offered_no_action(api: Api, open_browser: Open) -> None:
    webhook, reader = _make(api), open_browser(Scope.READ)

    assert "Delete" not in reader.see("webhooks").text
    assert reader.do("webhooks/disable", {"id": webhook}).status_code == 403


def test_callbacks_are_listed_by_state_and_sent_once_more(serve: Serve, wait_until: Callable[..., None]) -> None:
    settings = {"HELPERHUB_CALLBACKS__ALLOW": "127.0.0.1", "HELPERHUB_CALLBACKS__DELAYS": "10ms"}
    with target() as there:
        api = serve(settings=settings, worker=True, scheduler=True)
        browser, other = Browser(api, api.key(Scope.MANAGE)), Browser(api, api.key(Scope.MANAGE, helpers=["broken"]))
        execution = api.hub.enqueue("echo", {"a": 1}, callback=there.url)
        wait_until(lambda: len(_told(api)) == 1)
        callback = _told(api)[0]["id"]

        assert "204 after" in browser.see("webhooks/callbacks", params={"status": "success"}).text
        assert (
            "Nobody was told of anything that stands so"
            in browser.see("webhooks/callbacks", params={"status": "error"}).text
        )
        assert "Nobody was told" in other.see("webhooks/callbacks").text
        assert other.do("webhooks/callbacks/replay", {"id": callback}).status_code == 404
        assert browser.do("webhooks/callbacks/replay", {"id": str(execution)}).status_code == 404
        assert browser.do("webhooks/callbacks/replay", {"id": callback}).status_code == 200
        wait_until(lambda: len(_told(api)) == 2)

    assert len(there.requests) == 2
