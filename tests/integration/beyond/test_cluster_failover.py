"""A Cluster's primary is killed under load: its replica takes over, and work goes on by itself."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import dramatiq
import pytest

from helperhub.errors import StoreError
from helperhub.testing import ClusterForTests
from helperhub.testing.running import build_hub, working

WaitUntil = Callable[..., None]
LONG = timedelta(seconds=20)


@pytest.mark.timeout(90)
def test_failover_of_the_hubs_primary_loses_nothing_that_was_accepted(wait_until: WaitUntil) -> None:
    starts: Counter[int] = Counter()
    accepted: list[tuple[int, str]] = []
    done = threading.Event()
    with ClusterForTests(replicas=True) as cluster:
        # An execution counts as accepted once the replica has it.
        hub = build_hub((), url=cluster.url, settings={"HELPERHUB_REPLICAS": "1"})
        plain = build_hub((), url=cluster.url, settings={"HELPERHUB_HUB": hub.settings.hub})

        @dramatiq.actor(broker=hub.broker)
        def note(number: int) -> None:
            starts[number] += 1

        @dramatiq.actor(broker=plain.broker, actor_name="note")
        def same(number: int) -> None: ...

        def send() -> None:
            number = 0
            while not done.is_set():
                number += 1
                try:
                    accepted.append((number, hub.broker.enqueue(note.message(number)).message_id))
                except StoreError:
                    done.wait(0.05)

        with working(hub):
            sender = threading.Thread(target=send)
            sender.start()
            wait_until(lambda: len(accepted) > 300)
            cluster.fail_over(cluster.node_of(hub.scripts.keys.prefix))
            done.set()
            sender.join()
            # No replica is left to wait for: this one is accepted without.
            last = plain.enqueue("note", 0, wait=LONG)
            wait_until(lambda: starts[0], seconds=20)
            hub.broker.join("default", timeout=20_000)
            lost = [id_ for _, id_ in accepted if hub.records.get(id_) is None]
            unrun = [number for number, _ in accepted if not starts[number]]
            known = hub.records.get(last) is not None
        plain.close()
        hub.close()

    assert len(accepted) > 300
    assert (lost, unrun) == ([], [])
    assert known
