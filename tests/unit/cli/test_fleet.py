"""Worker processes are started as many at once as there are cores."""

from __future__ import annotations

from typing import cast

import pytest

from helperhub.cli.fleet import Fleet
from helperhub.settings.model import WorkerSettings
from helperhub.supervise.child_events import ChildReady
from helperhub.supervise.children import Children, ChildSpec
from helperhub.supervise.keeper import Keeper


class Started(Children):
    """Notes what is started instead of starting it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def start(self, spec: ChildSpec) -> None:
        self.names.append(spec.name)


class Held:
    has_dead = False

    def hold(self, *given: object, **more: object) -> None:
        """Take any lease."""


@pytest.fixture
def children() -> Started:
    return Started()


@pytest.fixture
def fleet(children: Started, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    monkeypatch.setattr("helperhub.cli.fleet.os.cpu_count", lambda: 2)
    return Fleet(children, cast("Keeper", Held()), {}, WorkerSettings())


def ready(name: str) -> ChildReady:
    return ChildReady(name, 1, {"worker_id": f"host:{name}"})


def test_each_process_that_is_ready_lets_the_next_one_start(fleet: Fleet, children: Started) -> None:
    fleet.start(4)
    assert children.names == ["worker-1", "worker-2"]

    fleet.note([ready("worker-1")])
    assert children.names == ["worker-1", "worker-2", "worker-3"]

    fleet.note([ready("worker-2"), ready("worker-3"), ready("worker-4")])
    assert children.names == ["worker-1", "worker-2", "worker-3", "worker-4"]


def test_fewer_than_cores_start_at_once(fleet: Fleet, children: Started) -> None:
    fleet.start(1)

    assert children.names == ["worker-1"]


def test_a_fleet_that_stops_starts_no_more(fleet: Fleet, children: Started) -> None:
    fleet.start(4)

    fleet.stop()
    fleet.note([ready("worker-1")])

    assert children.names == ["worker-1", "worker-2"]
