"""A hub without helpers on the real server; tests declare actors on its broker and run a real worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.model.execution import Execution
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub

SOON = timedelta(seconds=10)


@pytest.fixture
def variables() -> dict[str, str]:
    """Settings of the hub; a test module or parameter may replace them."""
    return {}


@pytest.fixture
def hub(redis_url: str, hub_name: str, variables: dict[str, str]) -> Iterator[Hub]:
    """A hub of the test's own; afterwards nothing may lie about in its keys."""
    found = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub_name, **variables})
    yield found
    found.broker.stop_worker()
    strays = find_strays(found.scripts.client, found.scripts.keys)
    found.close()
    assert strays == []


def end_of(hub: Hub, message: dramatiq.Message[Any] | str) -> Execution:
    """Wait for the end of an execution, and return it."""
    execution_id = message if isinstance(message, str) else message.message_id
    execution = hub.wait(execution_id, timeout=SOON)
    assert execution.status.final, execution
    return execution


@pytest.fixture(name="end_of")
def end_of_fixture() -> Callable[[Hub, dramatiq.Message[Any] | str], Execution]:
    """Waits for the end of an execution."""
    return end_of
