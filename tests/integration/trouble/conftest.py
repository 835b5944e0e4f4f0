"""Servers in trouble: each test breaks one of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from helperhub.testing import ServerForTests


@pytest.fixture
def server() -> Iterator[ServerForTests]:
    with ServerForTests(aof=True, arguments=("--enable-debug-command", "yes")) as server:
        yield server


@pytest.fixture
def operator(server: ServerForTests) -> Iterator[redis.Redis]:
    """A client of somebody who looks after the server."""
    with redis.Redis.from_url(server.url) as client:
        yield client
