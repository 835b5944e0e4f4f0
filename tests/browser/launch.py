"""Chromium, started; and somebody who sits down before a hub with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright
from tests.browser.chromium import HOW_TO_GET_IT, find_chromium
from tests.browser.running import RealHub
from tests.browser.watch import Watched

from helperhub.api.access import COOKIE
from helperhub.model.access import Scope

#: It has nothing to look for on the network.
_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@contextmanager
def launched() -> Iterator[Browser]:
    """Yield a Chromium without a window.

    Raises:
        FileNotFoundError: There is none.
    """
    found = find_chromium()
    if found is None:
        raise FileNotFoundError(HOW_TO_GET_IT)
    # Chromium refuses to sandbox what root starts; nobody else gives its sandbox up.
    unsafe = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=[*_QUIET, *unsafe], timeout=120_000)
        yield browser
        browser.close()


def sit_down(chromium: Browser, running: RealHub, *scopes: Scope, base: str = "", **options: Any) -> Watched:
    """Return somebody's browser, signed in with a key of these scopes, by default one that may everything.

    Args:
        chromium: What he uses.
        running: The hub.
        scopes: What he may.
        base: Where it is served, if not at the hub's own address.
        options: Of the browser context, such as ``color_scheme``.
    """
    address = base or running.url
    given = {"viewport": DESK, "locale": "en-GB", "timezone_id": "Europe/Berlin", "reduced_motion": "reduce", **options}
    context = chromium.new_context(**given)
    key = running.key(*scopes)
    session = running.hub.sessions.sign_in(key)
    path = urlsplit(address).path
    context.add_cookies(
        [
            {
                "name": COOKIE,
                "value": session.token,
                "domain": "127.0.0.1",
                "path": f"{path}/ui",
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )
    return Watched(context, f"{address}/ui/", key)
