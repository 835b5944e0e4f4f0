"""The catalogue as a process has it: read only if it has changed, and true all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from helperhub import Every, Hub, helper
from helperhub.services.helper_updates import HelperUpdate
from helperhub.testing import running_hub
from helperhub.testing.running import build_hub


def nothing(ctx: Any) -> None:
    """Do nothing."""
    del ctx


def hourly(name: str, priority: int) -> Any:
    return helper(name=name, schedule=Every(timedelta(hours=1)), priority=priority)(nothing)


@pytest.fixture
def hub(redis_url: str) -> Any:
    with running_hub(
        [hourly("a", 5), hourly("b", 4), hourly("c", 1)], url=redis_url, worker=False, scheduler=False
    ) as hub:
        hub.helpers.planner.plan()
        yield hub


def count_reads(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reads: list[str] = []
    read = type(hub.catalogue).read

    def counted(self: Any) -> Any:
        reads.append("read")
        return read(self)

    monkeypatch.setattr(type(hub.catalogue), "read", counted)
    return reads


def test_catalogue_that_has_not_changed_is_not_read_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hub.catalogue.current()
    reads = count_reads(hub, monkeypatch)

    assert hub.catalogue.current() is first
    assert hub.overview.status()["helpers"]["known"] == len(first.rows)
    assert reads == []


def test_change_of_another_process_counts_at_once(hub: Hub, redis_url: str) -> None:
    other = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub.settings.hub})
    assert hub.catalogue.current().rows["a"].spec.enabled

    other.helpers.update("a", HelperUpdate(enabled=False))
    other.close()

    assert not hub.catalogue.current().rows["a"].spec.enabled
    assert hub.overview.status()["helpers"]["enabled"] == 2


def test_entry_that_somebody_writes_past_the_scripts_is_seen(hub: Hub) -> None:
    hub.catalogue.current()

    hub.scripts.client.hset(hub.scripts.keys.at("catalogue"), "broken", "{}")

    assert "broken" in hub.catalogue.current().unreadable


def test_first_of_the_plan_are_those_of_the_highest_priority_at_the_same_time(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of_them = hub.plan.upcoming()
    at_once = [one for one in all_of_them if one.due_at == all_of_them[0].due_at]
    assert len(at_once) > 1, "they are due together, or nothing is tested"

    for few in (1, 2, 1000):
        monkeypatch.setattr("helperhub.services.plan._FEW", few)
        for limit in range(1, len(all_of_them) + 2):
            assert [one.id for one in hub.plan.upcoming(limit=limit)] == [one.id for one in all_of_them[:limit]]


def test_planned_are_counted_as_they_are_listed(hub: Hub) -> None:
    assert hub.overview.status()["helpers"]["planned"] == len(hub.plan.upcoming()) > 0
