"""A person's browser, watched: nothing may go to the console, past the content policy, or to another machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Download, Page, Request, Response, expect

#: A page may be busy with a machine of two cores.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
#: Chromium says so of every answer with such a status, also of those that a test is about.
_STATUS = re.compile(r"Failed to load resource: .* status of (\d{3})")


# No slots: Playwright keeps its own beside the methods that it calls.
@dataclass
class Watched:
    """What a browser context did.

    Args:
        context: Watched.
        base: Where the dashboard is, with ``/ui/``.
        key: What he signed in with.
        problems: What went wrong.
        sent: Method and path below ``/ui/`` of each request.
        allowed: Patterns of console errors that the test is about.
        answers: What the next questions of the browser's own are answered; a question that isn't expected is a problem.
        asked: Those questions.
    """

    context: BrowserContext
    base: str
    key: str = ""
    problems: list[str] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Watch every page there is and will be."""
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("request", self._on_request)
        self.context.on("console", self._on_console)
        self.context.on("weberror", lambda error: self.problems.append(f"error in a script: {error.error}"))
        self.context.on("dialog", self._on_dialog)
        self.context.on("page", lambda page: page.on("download", self._on_download))

    def open(self, path: str = "") -> Page:
        """Return a new page at a path below ``/ui/``, once all of it is there."""
        page = self.context.new_page()
        self.go(page, path)
        return page

    def go(self, page: Page, path: str = "") -> Response | None:
        """Have a page go to a path below ``/ui/``."""
        answer = page.goto(self.base + path, wait_until="load")
        wait_ready(page)
        return answer

    def check(self) -> None:
        """Fail if anything went wrong that the test didn't ask for."""
        left = [one for one in self.problems if not any(re.search(pattern, one) for pattern in self.allowed)]
        assert left == [], "\n".join(left)
        assert self.answers == [], "the browser was to ask something, and didn't"

    @contextmanager
    def allowing(self, *patterns: str) -> Iterator[None]:
        """Let console errors pass that fit, for the length of the block."""
        self.check()
        yield
        self.problems = [one for one in self.problems if not any(re.search(pattern, one) for pattern in patterns)]

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            return
        if parts.hostname != "127.0.0.1":
            self.problems.append(f"asked another machine: {request.method} {request.url[:200]}")
        self.sent.append((request.method, parts.path.partition("/ui/")[2]))

    def _on_download(self, download: Download) -> None:
        # Chromium doesn't count it among the requests.
        self.sent.append(("GET", urlsplit(download.url).path.partition("/ui/")[2]))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.asked.append(dialog.message)
        if dialog.type == "beforeunload":
            dialog.accept()
        elif dialog.type == "confirm" and self.answers:
            dialog.accept() if self.answers.pop(0) else dialog.dismiss()
        else:
            self.problems.append(f"{dialog.type} that nobody expected: {dialog.message[:200]}")
            dialog.dismiss()


def wait_ready(page: Page) -> None:
    """Wait until a page's scripts are at work: a key that is pressed before that leads to nothing."""
    page.wait_for_function("window.htmx !== undefined && document.readyState === 'complete'")


def post_paths(watched: Watched) -> list[str]:
    """Return the paths that something was sent to."""
    return [path for method, path in watched.sent if method != "GET"]


def overflow_of(page: Page) -> list[Any]:
    """Return what makes a page wider than its window: by how much, and the elements that stick out."""
    return list(
        page.evaluate(
            """() => {
              const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
              if (wide <= 0) return [];
              const out = [...document.querySelectorAll("body *")].filter((one) => {
                if (one.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
                for (let at = one.parentElement; at; at = at.parentElement)
                  if (/auto|scroll|hidden/.test(getComputedStyle(at).overflowX)) return false;
                return true;
              });
              return [wide, ...out.slice(0, 6).map((one) => one.outerHTML.slice(0, 160))];
            }"""
        )
    )
