"""Pages of executions: nothing twice, nothing left out, whatever ends meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.services.test_executions import give_up, signed

from helperhub import Hub
from helperhub.errors import UsageError
from helperhub.model.execution import Execution, Status
from helperhub.services.dead_letters import DeadFilter
from helperhub.services.execution_pages import MOST_LOOKED, find_page
from helperhub.services.executions import ExecutionFilter
from helperhub.store.record import Record


def cancelled(hub: Hub, ids: list[str], *, helper: str = "tidy", at_once: bool = False) -> None:
    """Let executions end: one after the other, or in one call, and so in one ms."""
    hub.scripts.publish([signed(hub, id_, Record(helper=helper, call=id_)) for id_ in ids])
    for some in [ids] if at_once else [[id_] for id_ in ids]:
        hub.scripts.cancel(some, reason="")


def pages(hub: Hub, wanted: ExecutionFilter, limit: int) -> Iterator[list[Execution]]:
    place: Any = None
    while True:
        page = find_page(hub.executions, wanted, limit=limit, place=place)
        yield [*page.executions]
        place = page.following
        if place is None:
            return


def walk(hub: Hub, wanted: ExecutionFilter, limit: int) -> list[str]:
    return [one.id for page in pages(hub, wanted, limit) for one in page]


def test_what_ended_in_one_ms_stands_in_the_order_of_its_ids_across_pages(hub: Hub) -> None:
    """All that one call ends has one time: a place by time alone gave some twice, or left them out."""
    ids = [f"n{number:03d}" for number in range(150)]
    cancelled(hub, ids, at_once=True)

    assert walk(hub, ExecutionFilter(helper="tidy"), 7) == [*reversed(ids)]
    assert sorted(walk(hub, ExecutionFilter(), 7)) == ids


def test_helpers_list_is_walked_past_what_cant_be_read(hub: Hub) -> None:
    ids = [f"n{number:02d}" for number in range(20)]
    cancelled(hub, ids)
    for damaged in ("n09", "n10", "n11"):
        hub.scripts.client.set(hub.scripts.keys.record(damaged), b"garbage")

    found = walk(hub, ExecutionFilter(helper="tidy"), 3)

    assert found == [id_ for id_ in reversed(ids) if id_ not in ("n09", "n10", "n11")]
    for damaged in ("n09", "n10", "n11"):
        hub.scripts.client.delete(hub.scripts.keys.record(damaged))
        hub.scripts.client.lrem(hub.scripts.keys.at("of", "tidy", "f"), 0, damaged)
    hub.scripts.client.delete(hub.scripts.keys.at("ended", "default", "f"))
    for id_ in set(ids) - {"n09", "n10", "n11"}:
        hub.scripts.client.delete(hub.scripts.keys.record(id_))
    hub.scripts.client.delete(hub.scripts.keys.at("of", "tidy", "f"))


def test_helper_with_instances_is_one_list_by_time(hub: Hub) -> None:
    for number in range(6):
        cancelled(hub, [f"n{number}"], helper=f"tidy/{'ab'[number % 2]}")
    hub.catalogue.read()

    assert walk(hub, ExecutionFilter(helper="tidy/a"), 2) == ["n4", "n2", "n0"]


def test_errors_are_dead_letters_and_those_that_were_replayed_or_deleted(hub: Hub) -> None:
    give_up(hub, ["a", "b", "c", "d", "e"])
    hub.dead_letters.replay(["b"])
    hub.dead_letters.delete(["d"])

    for limit in (1, 2, 9):
        assert walk(hub, ExecutionFilter(statuses=frozenset({Status.ERROR})), limit) == ["e", "d", "c", "b", "a"]


def test_page_of_what_is_rare_is_short_and_says_where_to_go_on(hub: Hub) -> None:
    """One request looked at the whole history for something that isn't there."""
    give_up(hub, ["rare"])
    cancelled(hub, [f"n{number:04d}" for number in range(MOST_LOOKED * 2)], at_once=True)
    wanted = ExecutionFilter(helper="tidy", statuses=frozenset({Status.ERROR}))

    found = [[one.id for one in page] for page in pages(hub, wanted, 5)]

    assert len(found) > 1
    assert [id_ for page in found for id_ in page] == ["rare"]


def test_filter_that_nothing_can_fit_has_no_page(hub: Hub) -> None:
    cancelled(hub, ["a"])
    ended = hub.executions.get("a").finished_at

    page = find_page(hub.executions, ExecutionFilter(statuses=frozenset({Status.QUEUED}), since=ended), limit=5)

    assert (page.executions, page.following) == ([], None)


@pytest.mark.parametrize(
    "place",
    [
        {"part": "ended", "at": None},
        {"part": "ended", "at": [1, 2, 3]},
        {"part": "ended", "at": [1, 2, True, "a"]},
        {"part": "ended", "at": [-1, 2, 3, "a"]},
        {"part": "of_helper", "at": [1, "a"]},
        {"part": "rows", "at": [1]},
        {"part": ["ended"], "at": [1]},
        {},
    ],
)
def test_place_that_isnt_one_is_refused(hub: Hub, place: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no cursor of this list"):
        find_page(hub.executions, ExecutionFilter(), limit=5, place=place)


def test_dead_letters_are_paged_while_some_are_replayed(hub: Hub) -> None:
    ids = [f"n{number}" for number in range(6)]
    give_up(hub, ids)

    first = hub.dead_letters.page(DeadFilter(), limit=2)
    hub.dead_letters.replay(["n5", "n0"])
    second = hub.dead_letters.page(DeadFilter(), limit=9, place=first.following)

    assert [one.id for one in first.executions] == ["n5", "n4"]
    assert [one.id for one in second.executions] == ["n3", "n2", "n1"]
    assert second.following is None
