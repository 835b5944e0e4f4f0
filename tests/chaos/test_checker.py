"""The checker finds what the invariants forbid: each is broken by hand, and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.chaos import checker
from tests.chaos.arena import Arena
from tests.chaos.checker import check


def lose(arena: Arena, id_: str) -> None:
    arena.ledger.accept(["never-heard-of"])


def invent(arena: Arena, id_: str) -> None:
    append(arena, id="invented", attempt=1, delivery=1)


def repeat(arena: Arena, id_: str) -> None:
    append(arena, id=id_, attempt=1, delivery=2)


def leave_running(arena: Arena, id_: str) -> None:
    arena.hub.scripts.client.hset(arena.hub.scripts.keys.at("held", "somebody"), id_, "1")


def end_without_effect(arena: Arena, id_: str) -> None:
    lines = arena.ledger.effects_file.read_text().splitlines()
    arena.ledger.effects_file.write_text("\n".join(line for line in lines if f'"{id_}"' not in line))


def count_too_many(arena: Arena, id_: str) -> None:
    arena.hub.scripts.client.hincrby(arena.hub.scripts.keys.at("count", "default"), "s", 1)


def leave_a_key(arena: Arena, id_: str) -> None:
    arena.hub.scripts.client.set(arena.hub.scripts.keys.at("forgotten"), "1")


def append(arena: Arena, **places: object) -> None:
    with arena.ledger.effects_file.open("a") as log:
        line = {"helper": "work", "pid": 1, "mono": 1.0, "wall": 1.0, **places}
        log.write(json.dumps(line) + "\n")


BREAKS: list[tuple[Callable[[Arena, str], None], str]] = [
    (lose, "I1"),
    (invent, "I2"),
    (repeat, "I3"),
    (leave_running, "I4"),
    (end_without_effect, "I5"),
    (count_too_many, "I6"),
    (leave_a_key, "I7: forgotten"),
]


@pytest.mark.timeout(60)
def test_broken_invariant_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "REPORT", tmp_path / "report.json")
    with Arena(1, aof=False) as arena:
        arena.start_workers(processes=1)
        (id_, *_) = arena.offer(5)
        arena.drain()
        assert check(arena, "untouched").problems == []

        for breaks, invariant in BREAKS:
            before = check(arena, "before").problems
            breaks(arena, id_)
            new = set(check(arena, "after").problems) - set(before)
            assert [problem for problem in new if problem.startswith(invariant)], breaks.__name__
        arena.failed = False  # on purpose: nobody needs the directory

    assert len(json.loads((tmp_path / "report.json").read_text())) == 1 + 2 * len(BREAKS)
