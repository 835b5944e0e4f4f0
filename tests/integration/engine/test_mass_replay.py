"""All dead letters that match are replayed by an execution that outlives its worker process."""

from __future__ import annotations

import os
import signal
import time

import pytest

from helperhub.hub import Hub
from helperhub.model.execution import Execution, Status
from helperhub.model.limits import Rate, parse_rate
from helperhub.services.mass_replay import MassReplay

from .conftest import Start, wait_for

PLUGIN = """
from helperhub import RetryPolicy, helper, hookimpl

@helper(retry=RetryPolicy(max_attempts=1))
def mended(ctx):
    import os
    if not os.environ.get("MENDED"):
        raise RuntimeError(f"order {ctx.payload} isn't there yet")
    return ctx.payload

@hookimpl
def helperhub_register(hub):
    hub.add(mended)
"""


def give_up(hub: Hub, start: Start, number: int) -> list[str]:
    """Let executions be given up by a worker process that ends then."""
    worker = start("helperhub", "worker", "--processes", "1")
    wait_for(lambda: "mended" in hub.catalogue.read().rows)
    ids: list[str] = [*hub.enqueue_many([("mended", one) for one in range(number)])]
    wait_for(lambda: hub.dead_letters.count() == number)
    worker.terminate()
    worker.wait(30)
    return ids


def replays(hub: Hub) -> list[Execution]:
    found = [*hub.records.of_helper("mended"), *hub.records.waiting(["default"]), *hub.records.running()]
    return [one for one in found if one.replay_of is not None]


@pytest.mark.parametrize("stop_after_failures", [None, 2])
def test_replay_goes_on_where_the_process_that_died_was(
    hub: Hub, start: Start, stop_after_failures: int | None
) -> None:
    ids = give_up(hub, start, 12)
    run = hub.mass_replays.start(MassReplay("mended", None, parse_rate("5/s"), stop_after_failures))
    start("helperhub", "worker", "--processes", "1", MENDED="1")
    wait_for(lambda: 3 <= len(replays(hub)) < 12)
    (worker,) = hub.workers.all()

    os.kill(worker["pid"], signal.SIGKILL)

    ended = hub.wait(run, timeout=hub.settings.worker.lease)
    assert ended.status is Status.SUCCESS
    assert ended.delivery >= 2
    assert ended.result == {"replayed": 12, "of": 12, "stopped": None}
    assert sorted(str(one.replay_of) for one in replays(hub)) == sorted(ids)
    wait_for(lambda: [one.status for one in replays(hub)] == [Status.SUCCESS] * 12)


def test_replay_keeps_to_its_rate(hub: Hub, start: Start) -> None:
    give_up(hub, start, 6)
    start("helperhub", "worker", "--processes", "1", MENDED="1")

    run = hub.mass_replays.start(MassReplay("mended", rate=Rate(1, parse_rate("1/200ms").window)))

    ended = hub.wait(run, timeout=hub.settings.worker.lease)
    assert ended.finished_at is not None
    assert ended.started_at is not None
    # The first goes at once.
    assert (ended.finished_at - ended.started_at).total_seconds() >= 5 * 0.2 - 0.05


def test_cancelled_replay_leaves_the_rest_where_it_is(hub: Hub, start: Start) -> None:
    give_up(hub, start, 6)
    start("helperhub", "worker", "--processes", "1", MENDED="1")
    run = hub.mass_replays.start(MassReplay("mended", rate=parse_rate("1/s")))
    wait_for(lambda: hub.dead_letters.count() < 6)

    hub.executions.cancel(run, reason="enough")

    began = time.monotonic()
    ended = hub.wait(run, timeout=hub.settings.worker.lease)
    assert (ended.status, ended.result["stopped"]) == (Status.SUCCESS, "cancelled")
    assert time.monotonic() - began < 10
    assert 0 < hub.dead_letters.count() < 6
