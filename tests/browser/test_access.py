"""Who comes in and what with: sessions, keys, webhooks, callbacks; and what is on record of it."""

from __future__ import annotations

import json
import uuid

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.doing import audited, executions_of, expect_answered, expect_notice, forget_confirmation, question_of
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched

from helperhub.model.access import Scope
from helperhub.services.callbacks import CallbackFilter


def fresh() -> str:
    return f"of {uuid.uuid4().hex[:8]}"


@pytest.mark.acts("sign_in.html sign-in", "page.html sign-out")
def test_somebody_signs_in_where_he_wanted_to_and_out(visit: Visit, lived: RealHub) -> None:
    watched = visit(lived)
    watched.context.clear_cookies()
    page = watched.open("queues")

    page.get_by_label("API key").fill("hh_live_wrong")
    with watched.allowing("status of 401"):
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("API key").fill(lived.key(Scope.READ))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{lived.url}/ui/queues")
    page.get_by_role("button", name="Sign out").click()

    expect(page).to_have_url(f"{lived.url}/ui/sign-in")
    watched.go(page, "queues")
    expect(page.get_by_label("API key")).to_be_visible()


def test_link_signs_in_once(visit: Visit, lived: RealHub) -> None:
    watched = visit(lived)
    watched.context.clear_cookies()
    token = lived.hub.sessions.make_link("ada")

    page = watched.open(f"link/{token}")

    expect(page).to_have_url(f"{lived.url}/ui/")
    expect(page.get_by_text("ada").first).to_be_visible()
    watched.context.clear_cookies()
    with watched.allowing("status of 40"):
        watched.go(page, f"link/{token}")
        expect(page.get_by_role("alert")).to_contain_text("has been used")


@pytest.mark.parametrize("path", ["helpers", "helpers/greet", "executions", "dead", "queues", "workers", "timeline"])
def test_reader_is_offered_nothing_that_changes(visit: Visit, lived: RealHub, path: str) -> None:
    page = visit(lived, Scope.READ).open(path)

    expect(page.locator("main h1").first).to_be_visible()
    expect(page.locator("main [hx-post], main [role=switch]")).to_have_count(0)


def make_key(page: Page, name: str) -> str:
    page.get_by_role("button", name="Make a key").click()
    asked = question_of(page)
    asked.get_by_label("Name").fill(name)
    asked.get_by_label("run: start helpers").check()
    asked.get_by_role("button", name="Make the key").click()
    return take_secret(page)


def take_secret(page: Page) -> str:
    """Return what is shown once, and close it."""
    field = page.locator("dialog#ask .secret input").first
    expect(field).to_be_visible()
    secret: str = field.input_value()
    page.get_by_role("button", name="I have kept it").click()
    expect(page.locator("#ask")).to_be_empty()
    return secret


def is_let_in(running: RealHub, key: str) -> bool:
    found = httpx.get(f"{running.url}/api/v1/helpers", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    return found.status_code != 401


@pytest.mark.acts("keys.html keys/create", "keys.html keys/rotate", "keys.html keys/revoke", "ask.html *")
def test_key_is_made_rotated_and_revoked(someone: Watched, lived: RealHub) -> None:
    name = fresh()
    page = someone.open("keys")

    key = make_key(page, name)
    assert is_let_in(lived, key)
    page.get_by_role("button", name=f"Rotate {name}").click()
    question_of(page).get_by_label("The old one goes on for").fill("1h")
    question_of(page).get_by_role("button", name="Make the successor").click()
    successor = take_secret(page)
    assert is_let_in(lived, successor)
    revoke = page.get_by_role("button", name=f"Revoke {name}")
    for left in (1, 0):
        revoke.first.click()
        question_of(page).get_by_role("button", name="Revoke the key").click()
        expect_answered(page)
        expect(revoke).to_have_count(left)
    wait_for(lambda: not is_let_in(lived, key) and not is_let_in(lived, successor), "both are refused")


def test_who_signed_in_by_link_shows_an_admins_key_for_it(visit: Visit, lived: RealHub) -> None:
    watched = visit(lived)
    watched.context.clear_cookies()
    page = watched.open(f"link/{lived.hub.sessions.make_link('ada')}")
    forget_confirmation(watched, lived.hub)
    watched.go(page, "keys")
    name = fresh()
    page.get_by_role("button", name="Make a key").click()
    asked = question_of(page)
    asked.get_by_label("Name").fill(name)
    asked.get_by_label("read: see everything").check()
    asked.get_by_label("Your API key, once more").fill("hh_live_wrong")
    asked.get_by_role("button", name="Make the key").click()
    expect(asked.get_by_role("alert")).to_be_visible()
    assert name not in [one["name"] for one in lived.hub.api_keys.all()]

    asked.get_by_label("Your API key, once more").fill(lived.key())
    asked.get_by_role("button", name="Make the key").click()

    take_secret(page)
    assert name in [one["name"] for one in lived.hub.api_keys.all()]


@pytest.mark.acts(
    "webhooks.html webhooks/create", "webhooks.html webhooks/*", "webhooks.html webhooks/delete", "ask.html *"
)
def test_webhook_is_made_switched_and_deleted(someone: Watched, lived: RealHub) -> None:
    name = fresh()
    page = someone.open("webhooks")
    page.get_by_role("button", name="Make a webhook").click()
    asked = question_of(page)
    asked.get_by_label("Helper").fill("nobody")
    asked.get_by_label("Name").fill(name)
    asked.get_by_role("button", name="Make the webhook").click()
    expect(asked.get_by_role("alert")).to_contain_text("nobody")
    asked.get_by_label("Helper").fill("echo")
    asked.get_by_role("button", name="Make the webhook").click()
    address = take_secret(page)

    def send() -> int:
        return httpx.post(address, json={"from": name}, timeout=30, trust_env=False).status_code

    assert send() < 300
    wait_for(lambda: {"from": name} in [one.payload for one in executions_of(lived.hub, "echo")], "it has started")
    page.get_by_role("button", name=f"Disable {name}").click()
    expect_notice(page, "refuses messages")
    assert send() >= 400
    page.get_by_role("button", name=f"Enable {name}").click()
    expect_notice(page, "takes messages again")
    assert send() < 300
    page.get_by_role("link", name=f"Messages to {name}").click()
    expect(page.locator(f"a[href$='executions/{executions_of(lived.hub, 'echo')[0].id}']")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name=f"Delete {name}").click()
    question_of(page).get_by_role("button", name="Delete the webhook").click()
    expect_notice(page, "was deleted")
    assert send() >= 400


@pytest.mark.acts("webhooks.html webhooks/rotate", "ask.html *")
def test_webhook_gets_a_new_token_and_a_secret(someone: Watched, lived: RealHub) -> None:
    page = someone.open("webhooks")

    page.get_by_role("button", name="New token for shop").click()
    question_of(page).get_by_label("The old one goes on for").fill("0s")
    question_of(page).get_by_role("button", name="Make a new token").click()
    address = take_secret(page)
    assert httpx.post(address, json={"new": "token"}, timeout=30, trust_env=False).status_code < 300
    page.get_by_role("button", name="New secret for shop").click()
    question_of(page).get_by_role("button", name="Make a new secret").click()

    assert take_secret(page).startswith("whsec_")
    (shop,) = [one for one in lived.hub.webhooks.all() if one["name"] == "shop"]
    assert shop["signed"]


@pytest.mark.acts("callbacks.html webhooks/callbacks", "callbacks.html webhooks/callbacks/replay")
def test_callback_is_told_once_more(someone: Watched, lived: RealHub) -> None:
    before = len(lived.hub.callbacks.find(CallbackFilter(), limit=100))
    page = someone.open("webhooks/callbacks")

    page.get_by_label("How they stand").select_option("success")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{someone.base}webhooks/callbacks?status=success")
    someone.answers.append(True)
    page.get_by_role("button", name="Tell once more").first.click()

    wait_for(lambda: len(lived.hub.callbacks.find(CallbackFilter(), limit=100)) == before + 1, "it is told again")
    expect(page.get_by_text("once more", exact=True).first).to_be_visible()


@pytest.mark.acts("audit.html audit", "audit.html audit/verify", "audit.html audit/export")
def test_audit_is_searched_verified_and_exported(someone: Watched, lived: RealHub) -> None:
    lived.hub.helpers.pause("tuned")
    lived.hub.helpers.resume("tuned")
    page = someone.open("audit")

    page.get_by_label("Did").fill("helper.pause")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#entries tbody tr").first).to_contain_text("tuned")
    with page.expect_download() as lines:
        page.get_by_role("link", name="Export").click()
    page.get_by_role("button", name="Check that it is whole").click()

    expect(page.locator("#verified")).to_contain_text("Whole:")
    found = [json.loads(line) for line in lines.value.path().read_text().splitlines()]
    assert {one["action"] for one in found} == {"helper.pause"}
    assert "tuned" in audited(lived.hub, "helper.pause")


@pytest.mark.acts("settings.html settings")
def test_settings_are_searched(someone: Watched) -> None:
    page = someone.open("settings")

    page.get_by_label("Find").fill("cancel_grace")
    page.get_by_label("Which").select_option("set")
    page.get_by_role("button", name="Show").click()

    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("HELPERHUB_WORKER__CANCEL_GRACE")


@pytest.mark.acts("statistics.html statistics")
def test_statistics_are_narrowed(someone: Watched) -> None:
    page = someone.open("statistics")
    expect(page.locator(".chart canvas").first).to_be_visible()

    page.get_by_label("Helper", exact=True).fill("refuse")
    page.get_by_role("button", name="Show").click()

    expect(page.locator("#statistics th.name a")).to_have_text(["refuse"])
    page.get_by_text("Both charts as a table").click()
    expect(page.locator("#statistics-table table")).to_be_visible()
