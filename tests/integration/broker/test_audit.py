"""What Redis believes a worker process holds, and the process knows nothing of, goes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.broker.claimer import Claimer
from helperhub.broker.settler import Settler
from helperhub.broker.vitality import Vitality
from helperhub.model.execution import Status
from helperhub.testing.running import working

EndOf = Callable[..., Any]
WaitUntil = Callable[..., None]


@pytest.fixture
def variables() -> dict[str, str]:
    return {"HELPERHUB_WORKER__LEASE": "1500ms"}


def test_claim_that_the_worker_lost_sight_of_is_handed_out_again(
    hub: Hub, end_of: EndOf, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that is lost on its way left its execution running for as long as its worker lived."""
    ran: list[int] = []
    note = dramatiq.actor(actor_name="note", broker=hub.broker)(ran.append)
    with working(hub):
        wait_until(hub.workers.all)
        keep_alive = threading.Event()
        renewing = threading.Thread(target=_renew, args=(hub, keep_alive))
        renewing.start()
        claimer = hub.broker.claimer
        assert isinstance(claimer, Claimer)
        with monkeypatch.context() as lost:
            # As if the reply of a claim had been dropped after it was taken for good.
            forget = claimer._audit._known.pop
            lost.setattr(claimer, "_open", lambda execution_id, raw: forget(execution_id) and None)
            message = note.send(1)
            wait_until(lambda: hub.executions.get(message.message_id).status is Status.RUNNING)

        execution = end_of(hub, message)
        keep_alive.set()
        renewing.join()

    assert (execution.status, execution.delivery, ran) == (Status.SUCCESS, 1, [1])


@pytest.mark.parametrize("unfit", ["a dead thread", "a dead settler"])
def test_worker_whose_thread_died_ends_itself(hub: Hub, wait_until: WaitUntil, unfit: str) -> None:
    reasons: list[str] = []
    with working(hub):
        claimer = hub.broker.claimer
        assert claimer is not None
        other = dramatiq.Worker(hub.broker)
        settler = Settler(hub.scripts, "other", window=1, on_settled=lambda settled: None, more_follows=lambda: False)
        if unfit == "a dead thread":
            settler.start()
            other.workers.append(threading.Thread())  # type: ignore[arg-type]  # one that doesn't live

        Vitality(other, claimer, settler, end=reasons.append).start()

        wait_until(lambda: reasons)
    assert reasons[0].startswith("1 of its ")
    if unfit == "a dead thread":
        settler.close(1.0)


def test_worker_that_doesnt_try_to_claim_any_more_ends_itself(hub: Hub, wait_until: WaitUntil) -> None:
    reasons: list[str] = []
    with working(hub) as worker:
        claimer, settler = hub.broker.claimer, hub.broker.settler
        assert claimer is not None
        assert settler is not None
        hangs = Claimer.__new__(Claimer)
        hangs.turns = 7

        Vitality(worker, hangs, settler, every_s=0.01, end=reasons.append).start()

        wait_until(lambda: reasons)
    assert reasons[0].startswith("it hasn't tried to claim")


def _renew(hub: Hub, done: threading.Event) -> None:
    while not done.wait(0.3):
        hub.scripts.renew([hub.worker_id], lease_ms=1500)
