"""9. Helpers compose as Dramatiq's actors do: one after another, and all before one."""

from __future__ import annotations

from typing import Any

import dramatiq
from tests.fundamentals.conftest import Running

from helperhub import Context, helper


@helper
def fetch(ctx: Context[Any]) -> list[int]:
    return list(range(int(ctx.payload)))


@helper
def total(ctx: Context[Any]) -> int:
    return sum(ctx.payload)


@helper
def cheer(ctx: Context[Any]) -> str:
    return "all are there"


def test_what_one_helper_returns_is_the_payload_of_the_next(running: Running) -> None:
    with running([fetch, total]):
        chain = fetch.message(5) | total.message()

        assert chain.run().get_result(block=True) == 10


def test_a_callback_runs_once_when_all_of_a_group_are_done(running: Running) -> None:
    with running([fetch, cheer]) as hub:
        group = dramatiq.group(fetch.message(number) for number in range(3))
        last = cheer.message()
        group.add_completion_callback(last)
        group.run()

        assert list(group.get_results(block=True)) == [[], [0], [0, 1]]
        assert last.get_result(block=True) == "all are there"
        assert hub.queues.all()[0].totals["success"] == 4
