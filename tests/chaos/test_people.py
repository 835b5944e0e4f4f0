"""What people do while things break: replays, double clicks, cancelling; and what they install."""

from __future__ import annotations

import threading
from collections import Counter

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes

from helperhub.errors import HelperHubError


@sizes(small=(150, 2), full=(10_000, 10), names="dead,kills")
def test_dead_letters_replayed_while_workers_die_run_once_each(seed: int, dead: int, kills: int) -> None:
    with Arena(seed) as arena:
        arena.start_workers(processes=2)
        arena.start_schedulers(1)
        failed = arena.offer(dead, {"fails": 99, "ms": 0})
        wait_for(lambda: arena.hub.records.count_dead() == dead, "all are given up", seconds=200)
        replays: dict[str, set[str]] = {id_: set() for id_ in failed}

        def replay() -> None:
            for start in range(0, len(failed), 50):
                for old, new in arena.hub.dead_letters.replay(failed[start : start + 50]):
                    replays[old].add(new)

        # Two people, each clicking on all of them.
        people = [threading.Thread(target=replay) for _ in range(2)]
        for person in people:
            person.start()
        Faults(arena).every(0.7, Faults(arena).kill_a_worker, for_s=0.75 * kills)
        for person in people:
            person.join()
        wait_for(lambda: arena.unfinished() == 0, "the replays end", seconds=200)
        arena.ledger.accept(new for found in replays.values() for new in found)
        arena.drain()

        report = check(arena, "dead letters replayed while workers die", ends=("error",))
        traces = Counter(arena.hub.executions.get(new).replay_of for found in replays.values() for new in found)

    assert report.problems == []
    assert traces == Counter(failed)


@sizes(small=40, full=2000)
def test_cancelling_twice_has_one_winner_and_one_end(seed: int, size: int) -> None:
    with Arena(seed) as arena:
        arena.start_workers(processes=2)
        ids = arena.offer(size, {"ms": 30})
        answers: list[str] = []

        def cancel() -> None:
            for id_ in ids:
                try:
                    answers.append(arena.hub.executions.cancel(id_, reason="by hand"))
                except HelperHubError as error:
                    answers.append(type(error).__name__)

        people = [threading.Thread(target=cancel) for _ in range(2)]
        for person in people:
            person.start()
        for person in people:
            person.join()
        arena.drain(seconds=120)

        report = check(arena, "cancelled twice", ends=("success", "cancelled"))

    assert report.problems == []
    assert report.duplicates == 0
    assert len(answers) == 2 * size
