"""Fixtures for every test that needs a server: one a run (a worker of pytest-xdist), a hub of one's own a test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from tests.servers.postgres import PostgresForTests, new_database

from helperhub.testing.server import ServerForTests


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a server that all tests of this run share; take ``hub_name`` beside it."""
    with ServerForTests() as server:
        yield server.url


@pytest.fixture
def hub_name() -> str:
    """A hub name that no other test has, so that their keys stay apart."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL that all tests of this run share: HELPERHUB_TEST_PG_URL, or one of their own."""
    given = os.environ.get("HELPERHUB_TEST_PG_URL")
    if given:
        yield given
        return
    with PostgresForTests() as server:
        yield server.url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of a new, empty database in PostgreSQL, dropped after the test."""
    with new_database(postgres_url) as url:
        yield url
