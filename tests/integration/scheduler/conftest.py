"""A hub that plans and promotes when the test says so, by a clock that the test moves on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from helperhub import Every, Hub
from helperhub.model.execution import Execution
from helperhub.model.helper import HelperSpec
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.scheduler.promoter import Promoter, Promotion
from helperhub.scheduler.records import RecordOf
from helperhub.services.executions import ExecutionFilter
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub

MINUTELY = Every(timedelta(minutes=1))


class Scheduling:
    """Drives a hub's scheduler by hand."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.promoter = self.another("first")

    def another(self, name: str) -> Promoter:
        """Return one more scheduler's promoter."""
        record_of = RecordOf(lambda queue: self.hub.rules_of(queue).max_attempts, self.hub.envelopes)
        grace = timedelta(seconds=5)
        return Promoter(
            self.hub.scripts,
            self.hub.catalogue,
            scheduler=name,
            grace=grace,
            record_of=record_of,
            plan=self.hub._planner.plan,
        )

    def register(self, name: str = "tick", **fields: Any) -> HelperSpec:
        """Put a helper into the catalogue, planned every minute unless told otherwise."""
        spec = HelperSpec(name, **{"schedules": {"": MINUTELY}, "plugin": "test", **fields})
        self.hub.helpers.register([spec], exclusive=False)
        return spec

    @property
    def now(self) -> datetime:
        return from_ms(self.hub.scripts.due(limit=1).now_ms)

    def advance(self, span: timedelta) -> None:
        """Let time pass: Redis TIME never runs backwards in a shard, so its memory is set forward."""
        self.hub.scripts.client.set(self.hub.scripts.keys.at("clock"), epoch_ms(self.now + span))

    def promote(self) -> Promotion:
        """Enqueue what is due, all of it."""
        last = self.promoter.promote()
        while True:
            following = self.promoter.promote()
            if not (following.enqueued or following.recorded):
                return last
            last = following

    def history(self) -> list[Execution]:
        """Return what there is of executions, in the order of their planned times."""
        found = self.hub.executions.find(ExecutionFilter(), limit=10_000)
        return sorted(found, key=lambda execution: execution.planned_at or self.now)


@pytest.fixture
def scheduling(redis_url: str, hub_name: str) -> Iterator[Scheduling]:
    """Scheduling of a hub of the test's own; afterwards nothing may lie about in its keys."""
    hub = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub_name})
    found = Scheduling(hub)
    # Not at the full minute, when a due time is within the grace or not as the test happens to begin.
    found.advance(timedelta(seconds=(20 - found.now.second) % 60))
    yield found
    strays = find_strays(hub.scripts.client, hub.scripts.keys)
    hub.close()
    assert strays == []
