"""The browser suite's fixtures. `tox -e browser` runs it; the test command of README.md leaves it out, and needs none
of what it needs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.chromium import HOW_TO_GET_IT, find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page
    from tests.browser.running import RealHub
    from tests.browser.watch import Watched

    from helperhub.model.access import Scope

_HERE = Path(__file__).parent
_NEEDED = ("playwright", "axe_playwright_python")
_HOW_TO_INSTALL = "pip install -r constraints.txt -r tests/browser/requirements.txt"
TIME_LIMIT_S = 240


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without Playwright there are no such tests, unless they are asked for."""
    if all(importlib.util.find_spec(name) for name in _NEEDED) or not collection_path.is_relative_to(_HERE):
        return None
    if _is_asked_for(config):
        message = f"The browser suite needs {' and '.join(_NEEDED)}: {_HOW_TO_INSTALL}"
        raise pytest.UsageError(message)
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them all, so that only who asks for them gets them."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(TIME_LIMIT_S))


def pytest_sessionstart(session: pytest.Session) -> None:
    """End at once where there is no browser."""
    if _is_asked_for(session.config) and find_chromium() is None:
        pytest.exit(HOW_TO_GET_IT, returncode=1)


def _is_asked_for(config: pytest.Config) -> bool:
    return str(config.getoption("markexpr")).strip() == "browser"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A Chromium without a window."""
    from tests.browser.launch import launched  # noqa: PLC0415 - collected also where there is no Playwright

    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def lived() -> Iterator[RealHub]:
    """A hub with a history of every kind, which all tests of a process share."""
    from tests.browser.history import make_history  # noqa: PLC0415 - as above
    from tests.browser.running import real_hub  # noqa: PLC0415 - as above

    with real_hub() as running, make_history(running):
        yield running


Visit = Callable[..., "Watched"]


@pytest.fixture
def visit(request: pytest.FixtureRequest, chromium: Chromium) -> Iterator[Visit]:
    """Has somebody sit down before a hub: a browser of his own, signed in with a key of these scopes."""
    from tests.browser.launch import sit_down  # noqa: PLC0415 - as above

    opened: list[Watched] = []

    def visit(running: RealHub, *scopes: Scope, base: str = "", **options: Any) -> Watched:
        watched = sit_down(chromium, running, *scopes, base=base, **options)
        opened.append(watched)
        return watched

    yield visit
    for watched in opened:
        watched.context.close()
    sent = [path for watched in opened for method, path in watched.sent]
    for watched in opened:
        watched.check()
    _check_touched(request, sent)


def _check_touched(request: pytest.FixtureRequest, sent: list[str]) -> None:
    """Fail if a test says of an action that it takes it, and didn't."""
    for mark in request.node.iter_markers("acts"):
        for _, _, pattern in (given.partition(" ") for given in mark.args):
            assert any(fnmatchcase(path, pattern) for path in sent), f"nothing was sent to {pattern}"


@pytest.fixture
def someone(visit: Visit, lived: RealHub) -> Watched:
    """Somebody who may everything, before the hub that all share."""
    return visit(lived)


@pytest.fixture
def page(someone: Watched) -> Page:
    """His page, which has gone nowhere yet."""
    return someone.context.new_page()
