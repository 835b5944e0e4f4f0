"""Limits while worker processes are killed: never more at once than they say, and all of it ends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.sizes import sizes
from tests.chaos.test_workers import KILLED

from helperhub.testing import find_strays

#: As the plugin declares them.
AT_ONCE, OF_A_KEY = 5, 2


def most_at_once(spans: Path) -> tuple[int, int]:
    """Return how many ran at once, and how many of one key, by the helper's own words.

    What was killed counts until the last word of its process: it lived that long.
    """
    rows = [line.split() for line in spans.read_text().splitlines()]
    last_words: dict[str, float] = {}
    for _, now, _, pid, _, _ in rows:
        last_words[pid] = max(last_words.get(pid, 0.0), float(now))
    ends = {(id_, began): float(now) for what, now, began, _, _, id_ in rows if what == "end"}
    moments: list[tuple[float, int, str]] = []
    for what, now, began, pid, key, id_ in rows:
        if what == "begin":
            moments += [(float(now), 1, key), (ends.get((id_, began), last_words[pid]), -1, key)]
    running: Counter[str] = Counter()
    most = most_of_key = 0
    for _, change, key in sorted(moments):
        running[key] += change
        most, most_of_key = max(most, running.total()), max(most_of_key, running[key])
    return most, most_of_key


@sizes(small=(200, 1.5, 5.0), full=(4_000, 2.0, 40.0), names="jobs,every_s,for_s")
def test_limits_hold_while_worker_processes_are_killed(seed: int, jobs: int, every_s: float, for_s: float) -> None:
    with Arena(seed, helpers="bounded") as arena:
        arena.start_workers(processes=3)
        arena.start_schedulers(1)
        for key in range(4):
            arena.offer(jobs // 4, {"of": key, "ms": 15}, helper="bounded")
        arena.offer(8, {"of": 9, "ms": 15, "fails": 1}, helper="bounded")
        arena.offer(jobs // 4, {"ms": 2})
        Faults(arena).every(every_s, Faults(arena).kill_a_worker, for_s=for_s)
        arena.drain(seconds=200)

        most, most_of_key = most_at_once(Path(f"{arena.ledger.effects_file}.spans"))
        report = check(arena, "limits while worker processes are killed", ends=KILLED)
        strays = find_strays(arena.hub.scripts.client, arena.hub.scripts.keys)

    assert report.problems == []
    assert strays == []
    assert report.kills > 0
    assert (most, most_of_key) == (AT_ONCE, OF_A_KEY)
