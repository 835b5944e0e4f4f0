"""Hubs with keys on the real server, and somebody who can write to Redis but has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.trust.roles import admin, server, url_of

from helperhub import Hub
from helperhub.model.execution import Execution
from helperhub.store.record import Record, pack_record, unpack_record
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub

SOON = timedelta(seconds=10)
OpenHub = Callable[..., Hub]


@pytest.fixture
def open_hub(redis_url: str, hub_name: str) -> Iterator[OpenHub]:
    """Opens the test's hub with these settings; afterwards nothing may lie about in its keys."""
    opened: list[Hub] = []

    def open_hub(**variables: str) -> Hub:
        opened.append(build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub_name, **variables}))
        return opened[-1]

    yield open_hub
    for hub in opened:
        hub.broker.stop_worker()
    strays = find_strays(opened[0].scripts.client, opened[0].scripts.keys)
    for hub in opened:
        hub.close()
    assert strays == []


@pytest.fixture
def hub(open_hub: OpenHub) -> Hub:
    """The hub, with the key that all tests have."""
    return open_hub()


class Intruder:
    """Can write to Redis, and knows how records look."""

    def __init__(self, hub: Hub) -> None:
        self.client: Any = hub.scripts.client
        self.keys = hub.scripts.keys

    def read(self, execution_id: str) -> Record:
        return unpack_record(self.client.get(self.keys.record(execution_id)))

    def write(self, execution_id: str, record: Record) -> None:
        self.client.set(self.keys.record(execution_id), pack_record(record))

    def change(self, execution_id: str, **places: Any) -> None:
        """Change places of a record that is there."""
        record = self.read(execution_id)
        for name, value in places.items():
            setattr(record, name, value)
        self.write(execution_id, record)


@pytest.fixture
def intruder(hub: Hub) -> Intruder:
    return Intruder(hub)


def end_of(hub: Hub, execution_id: str) -> Execution:
    """Wait for the end of an execution, and return it."""
    execution = hub.wait(execution_id, timeout=SOON)
    assert execution.status.final, execution
    return execution


@pytest.fixture(name="end_of")
def end_of_fixture() -> Callable[[Hub, str], Execution]:
    """Waits for the end of an execution."""
    return end_of


__all__ = ["admin", "server", "url_of"]
