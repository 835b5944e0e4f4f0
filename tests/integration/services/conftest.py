"""A hub without helpers, scheduler or worker: use cases are called, and Redis is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helperhub import Hub
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub


@pytest.fixture
def hub(redis_url: str, hub_name: str) -> Iterator[Hub]:
    """A hub of the test's own; afterwards nothing may lie about in its keys."""
    found = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub_name})
    yield found
    strays = find_strays(found.scripts.client, found.scripts.keys)
    found.close()
    assert strays == []
