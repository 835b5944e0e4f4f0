"""What others put in is shown as text, whatever it is, and breaks no page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.launch import PHONE
from tests.browser.running import RealHub, wait_for
from tests.browser.watch import Watched, overflow_of

from helperhub.model.access import Scope
from helperhub.services.api_keys import KeyWish
from helperhub.services.webhooks import WebhookWish

MARKUP = "</title></script><script>hurt=1</script><img src=x onerror=\"hurt=1\"><svg onload='hurt=1'>{{7*7}}"
TEXTS = {
    "markup": MARKUP,
    "attribute": '" autofocus onfocus="hurt=1" x=\'',
    "huge": "x" * 200_000,
    "binary": "".join(map(chr, range(32))) + "\x7f\x80\xff\ufffe" * 40,
    "right-to-left": "\u202eevil\u2066 שלום עולם مرحبا بالعالم \u202e" * 20,
    "marks": "Z\u0351\u0321\u0340\u0341" * 200,
    "lines": "a\n" * 3000,
}
SOON = timedelta(seconds=60)
_IN_PAGE = "() => [window.hurt, document.querySelectorAll('main script, main img[src=x], main svg[onload]').length]"


@pytest.fixture(scope="module")
def hurt(lived: RealHub) -> Iterator[dict[str, str]]:
    """Have the hub take all of it in, wherever people and programs can write; ids by kind."""
    hub, found = lived.hub, {}
    for kind, text in TEXTS.items():
        for fails in (True, False):
            name = f"{kind} {'fails' if fails else 'returns'}"
            given = {"text": text, "fails": fails}
            more = {"metadata": {"app": text[:1000], MARKUP[:60]: MARKUP}} if kind != "binary" else {}
            found[name] = str(hub.enqueue("hostile", given, **more))  # type: ignore[arg-type]
    for one in found.values():
        hub.wait(one, timeout=SOON)
    waiting = hub.enqueue("hostile", {"text": MARKUP, "fails": False}, delay=timedelta(hours=1), unique_key=MARKUP)
    hub.executions.cancel(waiting, reason=MARKUP)
    found["cancelled"] = str(waiting)
    key = hub.api_keys.create(KeyWish(MARKUP[:80], frozenset({Scope.READ})))[1]
    webhook = hub.webhooks.create(WebhookWish("hostile", MARKUP[:80]))[2]
    hub.helpers.pause("hostile", reason=MARKUP)
    alert = _alert_of(lived)
    hub.alerts.acknowledge(alert, note=MARKUP)
    yield found
    hub.helpers.resume("hostile")
    hub.api_keys.revoke(key["id"])
    hub.webhooks.delete(webhook["id"])
    hub.dead_letters.delete_all(helper="hostile")


def _alert_of(running: RealHub) -> str:
    def firing() -> list[str]:
        return [str(one["id"]) for one in running.hub.alerts.all() if one["subject"] == "helper:hostile"]

    wait_for(firing, "an alert fires")
    return firing()[0]


def check(page: Page) -> None:
    """Fail if anything of it ran, became markup, or made the page wider than a phone."""
    expect(page.locator("main h1").first).to_be_visible()
    assert page.evaluate(_IN_PAGE) == [None, 0]
    assert page.title().endswith("browsed")
    assert overflow_of(page) == []


@pytest.fixture
def phone(visit: Visit, lived: RealHub, hurt: dict[str, str]) -> Watched:
    return visit(lived, viewport=PHONE)


@pytest.mark.parametrize("kind", [f"{kind} {how}" for kind in TEXTS for how in ("fails", "returns")])
def test_page_of_an_execution_shows_it_as_text(phone: Watched, hurt: dict[str, str], kind: str) -> None:
    page = phone.open(f"executions/{hurt[kind]}")

    check(page)
    expect(page.get_by_role("heading", name="Payload")).to_be_visible()
    if kind.startswith("markup"):
        expect(page.locator("main")).to_contain_text("<script>hurt=1</script>")
        expect(page.locator("main")).to_contain_text("{{7*7}}")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "timeline",
        "timeline?q=hostile",
        "helpers",
        "helpers/hostile",
        "executions?q=helper:hostile",
        "dead?helper=hostile",
        "alerts",
        "webhooks",
        "keys",
        "audit",
        "plugins",
        "queues",
        "workers",
        "statistics",
    ],
)
def test_lists_show_it_as_text(phone: Watched, path: str) -> None:
    page = phone.open(path)

    check(page)


def test_edit_of_a_dead_letter_holds_it(phone: Watched, hurt: dict[str, str]) -> None:
    page = phone.open(f"dead/{hurt['markup fails']}/edit")

    check(page)
    assert "<script>hurt=1</script>" in page.get_by_label("Payload, JSON").input_value()


def test_questions_show_it_as_text(phone: Watched, hurt: dict[str, str]) -> None:
    page = phone.open("dead?helper=hostile")

    page.get_by_role("button", name="Delete all…").click()

    expect(page.locator("#ask")).to_contain_text("hostile")
    check(page)
    page.get_by_role("button", name="Leave it").click()
    phone.go(page, "keys")
    page.get_by_role("button", name=f"Revoke {MARKUP[:20]}").click()
    expect(page.locator("#ask")).to_contain_text("<script>")
    check(page)


@pytest.mark.parametrize("text", [MARKUP, "\u202e", "%00", "'\"><svg onload=hurt=1>", "helper:" + "x" * 500])
def test_what_is_searched_for_is_text(phone: Watched, text: str) -> None:
    for path in ("executions", "helpers", "timeline", "settings", "audit"):
        name = {"audit": "action"}.get(path, "q")
        with phone.allowing("status of 4"):
            page = phone.context.new_page()
            page.goto(
                f"{phone.base}{path}?" + page.evaluate("(given) => new URLSearchParams(given).toString()", {name: text})
            )
            check(page)
            page.close()


def test_address_that_is_hostile_is_told_as_text(phone: Watched) -> None:
    with phone.allowing("status of 40"):
        page = phone.open("executions/%3Cscript%3Ehurt%3D1%3C%2Fscript%3E")

        check(page)
        expect(page.get_by_role("alert")).to_contain_text("<script>")
