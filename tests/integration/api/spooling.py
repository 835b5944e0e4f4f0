"""A served hub that spools, for tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.proxy import Proxy
from tests.integration.api.conftest import build_http, echo, serving

from helperhub.model.access import Scope
from helperhub.services.api_keys import KeyWish
from helperhub.services.webhooks import WebhookWish
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub


class Served:
    """A hub that spools, its webhook, and a client with a key."""

    def __init__(self, url: str, directory: Path, stack: ExitStack, **settings: str) -> None:
        given = {"HELPERHUB_WEB__SPOOL": "true", "HELPERHUB_DATA_DIR": str(directory), "HELPERHUB_HUB": "spool"}
        self.hub = build_hub([echo], url=url, settings={**given, **settings})
        self.hub.register()
        token, _, _ = self.hub.webhooks.create(WebhookWish("echo", "test"))
        self.path = f"/webhook/{token}"
        self.url = stack.enter_context(serving(self.hub))
        key = self.hub.api_keys.create(KeyWish("test", frozenset({Scope.ADMIN})))[0]
        self.client = stack.enter_context(build_http(self.url, key))
        self.directory = directory / "spool"
        # Checked, and read, a moment ago: so both are known when Redis goes.
        self.client.get("/api/v1/helpers").raise_for_status()
        deadline = time.monotonic() + 10
        while not self.hub.deliveries._known and self.hub.accepting.spools:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def lines(self) -> list[str]:
        files = self.directory.glob("*.jsonl")
        return [line for file in files for line in file.read_text().splitlines()]

    def ids(self) -> list[str]:
        return [execution.id for execution in self.hub.records.waiting(["default"])]


@contextmanager
def served(server: ServerForTests | Proxy, directory: Path, **settings: str) -> Iterator[Served]:
    with ExitStack() as stack:
        found = Served(server.url, directory, stack, **settings)
        stack.callback(found.hub.close)
        yield found
