"""A deploy in progress: worker processes that lack a new helper hand its work back, and the new ones run it."""

from __future__ import annotations

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes


@sizes(small=(10, 100, 0), full=(2000, 4000, 4), names="fresh,jobs,kills")
def test_work_for_a_helper_of_the_next_release_waits_for_workers_that_have_it(
    seed: int, fresh: int, jobs: int, kills: int
) -> None:
    with Arena(seed) as arena:
        arena.start_schedulers(1)
        arena.start_workers(processes=2)
        new = arena.offer(fresh, {"ms": 1}, helper="fresh")
        arena.offer_meanwhile(jobs, {"ms": 2}, per_second=jobs // 5)
        wait_for(lambda: all(is_handed_back(arena, id_) for id_ in new), "the old ones hand all of it back")
        too_early = {effect.helper for effect in arena.ledger.effects()} - {"work"}
        old = arena.processes.supervisors.pop(0)
        arena.start_workers(processes=2, CHAOS_HELPERS="fresh")
        # Both releases side by side, and what dies meanwhile is handed out to either.
        Faults(arena).every(0.5, Faults(arena).kill_a_worker, for_s=0.5 * kills + 0.1)
        new += arena.offer(fresh, {"ms": 1}, helper="fresh")
        old.terminate()
        assert old.wait(60) == 0
        dead = arena.hub.scripts.client.zcard(arena.hub.scripts.keys.at("dead"))
        arena.drain(seconds=120)

        report = check(arena, "helper of the next release", ends=("success", "error") if kills else ("success",))
        attempts = {effect.attempt for effect in arena.ledger.effects()}

    assert report.problems == []
    assert (too_early, dead, attempts) == (set(), 0, {1})
    assert report.effects - report.duplicates == jobs + len(new)


def is_handed_back(arena: Arena, id_: str) -> bool:
    """Return whether a worker has looked at an execution and handed it back."""
    return arena.hub.executions.get(id_).reason == "no worker has this helper yet"
