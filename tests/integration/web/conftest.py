"""The dashboard as a browser asks for it: with a session's cookie, and the token that changes need."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import Api, api, build_http, serve

from helperhub.model.access import Scope


class Browser:
    """One person in front of the dashboard.

    Args:
        api: The served hub.
        key: What he signs in with.
    """

    def __init__(self, api: Api, key: str) -> None:
        self.http = api.stack.enter_context(build_http(api.url))
        answer = self.http.post("/ui/sign-in", data={"key": key})
        assert answer.status_code == 303, answer.text
        self.csrf = _csrf_in(self.http.get("/ui/").text)

    def see(self, path: str = "", **given: Any) -> httpx.Response:
        """Ask for a page below /ui/."""
        return self.http.get(f"/ui/{path}", **given)

    def do(self, path: str, data: dict[str, Any] | None = None, **given: Any) -> httpx.Response:
        """Send a form, as htmx does."""
        headers = {"X-CSRF-Token": self.csrf, "HX-Request": "true", **given.pop("headers", {})}
        return self.http.post(f"/ui/{path}", data=data or {}, headers=headers, **given)


Open = Callable[..., Browser]


@pytest.fixture
def open_browser(api: Api) -> Open:
    """Signs somebody in, by default with a key that may everything."""

    def open_browser(*scopes: Scope, **narrowed: Iterable[str]) -> Browser:
        return Browser(api, api.key(*(scopes or (Scope.ADMIN,)), **narrowed))

    return open_browser


@pytest.fixture
def browser(open_browser: Open) -> Browser:
    """Somebody who may everything."""
    return open_browser()


def _csrf_in(page: str) -> str:
    found = re.search(r'"X-CSRF-Token": "([^"]+)"', page)
    assert found, page[:500]
    return found[1]


__all__ = ["Browser", "Open", "api", "browser", "open_browser", "serve"]
