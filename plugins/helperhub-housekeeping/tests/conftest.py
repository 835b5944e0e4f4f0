"""A hub with an archive of its own, which the helpers find by this process's environment."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from helperhub import Hub
from helperhub.testing import ServerForTests
from helperhub.testing.running import KNOWN_KEYS
from helperhub_housekeeping import plugin


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a hub that nobody else uses."""
    for name in [*os.environ]:
        if name.startswith("HELPERHUB_") or name in ("REDIS_URL", "DATABASE_URL", "SENTRY_DSN", "WORKER_COUNT"):
            monkeypatch.delenv(name)
    with ServerForTests() as server:
        variables = {
            "HELPERHUB_HUB": f"test-{uuid.uuid4().hex[:8]}",
            "HELPERHUB_REDIS_URL": server.url,
            "HELPERHUB_DATABASE_URL": f"sqlite:///{tmp_path}/archive.db",
            "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        plugin._hub.cache_clear()
        yield variables
        plugin._hub.cache_clear()


@pytest.fixture
def hub(environ: dict[str, str]) -> Iterator[Hub]:
    """The hub, with an empty archive."""
    hub = Hub.from_env()
    assert hub.settings.hub == environ["HELPERHUB_HUB"]
    hub.upgrade_archive()
    yield hub
    hub.close()
