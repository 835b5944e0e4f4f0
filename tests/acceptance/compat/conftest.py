"""A hub with scheduler and worker behind a real HTTP server; what the five systems' callers would find."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import Api, Serve, serve

from helperhub import Every, helper

__all__ = ["serve"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
#: What a running `hold` waits for, so that a test sees it at work.
_LET_GO = threading.Event()
#: Four times in the look-ahead of 2 hours, none of them while a test runs.
_HALF_HOURLY = Every(timedelta(minutes=30), start=datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=15))


@helper(schedule=_HALF_HOURLY, priority=1, expires_after=timedelta(hours=1))
def report(ctx: Any) -> Any:
    """Return what it was given."""
    return {"got": ctx.payload}


@helper(schedule=_HALF_HOURLY)
def tidy(ctx: Any) -> int:
    """Return a number."""
    return 7


@helper()
def broken(ctx: Any) -> None:
    """Always fail."""
    message = "it is broken"
    raise RuntimeError(message)


@helper()
def hold(ctx: Any) -> str:
    """Run until the test lets go."""
    assert _LET_GO.wait(20)
    return "let go"


@pytest.fixture
def api(serve: Serve) -> Api:
    """A served hub that plans and works."""
    _LET_GO.clear()
    settings = {"HELPERHUB_QUEUES__DEFAULT__MAX_ATTEMPTS": "1"}
    return serve((report, tidy, broken, hold), settings=settings, worker=True, scheduler=True)


@pytest.fixture
def let_go() -> Callable[[], None]:
    """Ends what `hold` waits for."""
    return _LET_GO.set


def ask(client: httpx.Client, method: str, path: str, *, body: Any = None, status: int = 200) -> Any:
    """Send one request as the older system's callers do; return the body of an answer with ``status``."""
    answer = client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def like(body: Any, wanted: dict[str, Any]) -> None:
    """Compare key by key: a type or a pattern stands for any value of it, all else for itself."""
    assert set(body) == set(wanted)
    for key, value in wanted.items():
        if isinstance(value, dict):
            like(body[key], value)
        elif isinstance(value, re.Pattern):
            assert value.fullmatch(body[key]), (key, body[key])
        elif isinstance(value, type):
            assert type(body[key]) is value, (key, body[key])
        else:
            assert body[key] == value, (key, body[key])


def wait_for(look: Callable[[], bool]) -> None:
    """Return once ``look`` is true; the test's time limit ends it otherwise."""
    pause = threading.Event()
    while not look():
        pause.wait(0.02)
