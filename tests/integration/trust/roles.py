"""Redis users by role, on a server of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from helperhub.services.acl import Role, build_rules
from helperhub.testing.server import ServerForTests

UrlOf = Callable[..., str]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerForTests]:
    with ServerForTests() as server:
        yield server


@pytest.fixture
def admin(server: ServerForTests) -> Iterator[Any]:
    """The one who may do everything; afterwards the log of refusals is emptied."""
    client = redis.Redis.from_url(server.url)
    yield client
    client.acl_log_reset()
    client.close()


@pytest.fixture
def url_of(server: ServerForTests, admin: Any, hub_name: str) -> UrlOf:
    """Makes the user of a role by the rules that doctor prints, and returns the URL it logs in with."""

    def url_of(role: Role, *queues: str) -> str:
        user = build_rules(role, hub_name, queues=queues, password="secret")
        assert admin.execute_command(*user.command.split()) == b"OK"
        return server.url.replace("unix://", f"unix://{user.user}:secret@")

    return url_of


def refusals(admin: Any) -> list[str]:
    """What Redis has refused so far; who may not ask for its configuration does without."""
    found = [f"{entry['username']}: {entry['context']} {entry['object']}" for entry in admin.acl_log()]
    return [entry for entry in found if not entry.endswith("config|get")]


__all__ = ["UrlOf", "admin", "refusals", "server", "url_of"]
