"""The first page: what runs, comes and failed, for whom it may be seen, and nothing that runs in the browser."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.api.conftest import Api, Serve
from tests.integration.web.conftest import Browser, Open

from helperhub.model.access import Scope
from helperhub.web import render

HOSTILE = "<script>alert(1)</script>"


def test_page_says_that_nothing_is_at_work(browser: Browser) -> None:
    assert "Nothing is at work" in browser.see().text


def test_page_shows_what_failed_and_why_and_what_comes_next(serve: Serve) -> None:
    api = serve(worker=True, scheduler=True)
    failed = api.hub.wait(api.hub.enqueue("broken", {"text": HOSTILE}), timeout=timedelta(seconds=10))

    page = Browser(api, api.key(Scope.READ)).see().text

    assert "RuntimeError: it is broken" in page
    assert f'href="/ui/executions/{failed.id}"' in page
    assert HOSTILE not in page


def test_narrowed_key_sees_its_own_only(serve: Serve) -> None:
    api = serve(worker=True)
    api.hub.wait(api.hub.enqueue("broken"), timeout=timedelta(seconds=10))

    page = Browser(api, api.key(Scope.READ, helpers=["echo"])).see().text

    assert "it is broken" not in page
    assert "Nothing failed in the last hour." in page


def test_pages_have_no_inline_script_or_style_and_say_so(browser: Browser) -> None:
    answer = browser.see()

    assert answer.headers["content-security-policy"] == render.POLICY
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", answer.text)


def test_everything_a_page_loads_is_there_and_less_than_300_kb(browser: Browser) -> None:
    page = browser.see().text
    paths = re.findall(r'(?:src|href)="(/ui/static/[^"]+)"', page)

    sizes = {path: len(browser.http.get(path).content) for path in paths}

    assert all(sizes.values())
    assert sum(sizes.values()) + len(page.encode()) < 300_000


@pytest.mark.parametrize(
    "accepted", ["gzip", "br, gzip;q=0.5", "deflate, GZIP", "gzip;q=0", "gzip; q=0.0, br", "br", ""]
)
def test_files_are_compressed_for_who_takes_that(browser: Browser, accepted: str) -> None:
    takes = accepted in ("gzip", "br, gzip;q=0.5", "deflate, GZIP")

    answer = browser.see("static/app.css", headers={"Accept-Encoding": accepted})

    assert ("content-encoding" in answer.headers) is takes
    assert answer.content == (render.STATIC / "app.css").read_bytes()
    assert answer.headers["vary"] == "Accept-Encoding"


def test_pages_which_have_a_token_in_them_are_never_compressed(browser: Browser) -> None:
    answer = browser.see("", headers={"Accept-Encoding": "gzip"})

    assert "X-CSRF-Token" in answer.text
    assert "content-encoding" not in answer.headers


def test_files_outside_of_static_arent_served(browser: Browser) -> None:
    for path in ("static/../dashboard.py", "static/%2e%2e/dashboard.py", "static/vendor", "static/nothing.js"):
        assert browser.see(path).status_code == 404


def test_vendored_files_have_their_licences() -> None:
    vendored = [path for path in (render.STATIC / "vendor").iterdir() if path.is_dir()]

    assert {path.name for path in vendored} == {"htmx", "htmx-ext-sse", "uplot"}
    assert all((Path(path) / "LICENSE").read_text() for path in vendored)


def test_first_address_leads_to_the_dashboard(api: Api, open_browser: Open) -> None:
    assert api.client.get("/").headers["location"] == "/ui/"


def test_dashboard_can_be_left_out(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__DASHBOARD": "false"})

    assert api.client.get("/ui/").status_code == 404
