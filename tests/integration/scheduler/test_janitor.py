"""Cleaning: history past its time or its share of memory, schedulers long gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from helperhub import Hub
from helperhub.scheduler.janitor import Janitor
from helperhub.store.record import Record
from helperhub.store.scripts import Publication
from helperhub.testing.running import build_hub
from helperhub.testing.server import ServerForTests

DAY = timedelta(days=1)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub on a server of its own, whose bound on memory the test sets."""
    with ServerForTests() as server:
        found = build_hub((), url=server.url, settings={})
        yield found
        found.close()


def end(hub: Hub, queue: str, *ids: str) -> None:
    """Let executions of a queue end at once."""
    for id_ in ids:
        hub.scripts.publish([Publication(id_, Record(helper="tidy", queue=queue, call=id_))])
        hub.scripts.cancel([id_], reason="")


def janitor(hub: Hub, *, memory_share: float = 0.25) -> Janitor:
    return Janitor(
        hub.scripts,
        hub._queue_store,
        hub.catalogue,
        keep_of=lambda _queue: DAY,
        keep_failures=DAY,
        memory_share=memory_share,
        archived_only=True,
        scheduler="s",
    )


def test_oldest_history_ends_first_whatever_its_queue(hub: Hub) -> None:
    """The queue whose name came first lost all of its history, however young."""
    end(hub, "b", *(f"old{number}" for number in range(100)))
    end(hub, "a", *(f"new{number}" for number in range(100)))
    hub.scripts.client.config_set("maxmemory", "100mb")
    size = int(hub.scripts.client.hget(hub.scripts.keys.at("history"), "bytes"))

    ended = janitor(hub, memory_share=size * 0.6 / 104_857_600).trim()

    left = {execution.id for execution in hub.records.finished()}
    assert ended == 100 - sum(name.startswith("old") for name in left)
    assert sum(name.startswith("new") for name in left) == 100
    assert 0 < sum(name.startswith("old") for name in left) < 60


def test_nothing_is_ended_early_without_a_bound_on_memory(hub: Hub) -> None:
    end(hub, "a", "one")

    assert janitor(hub, memory_share=0.001).trim() == 0


def test_scheduler_long_gone_is_forgotten(hub: Hub) -> None:
    hub.scripts.due("gone", limit=1)
    hub.scripts.client.zadd(hub.scripts.keys.at("schedulers"), {"gone": 1})
    hub.scripts.due("here", limit=1)

    janitor(hub).trim()

    assert list(hub.catalogue.schedulers()) == ["here"]
