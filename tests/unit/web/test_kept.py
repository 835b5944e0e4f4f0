"""Answers that take long are found once; quick ones each time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from helperhub.web.kept import Kept


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def counting(clock: Clock, seconds: float) -> Callable[[], int]:
    """Return what takes so long, and returns how often it was called."""
    calls = 0

    def find() -> int:
        nonlocal calls
        calls += 1
        clock.now += seconds
        return calls

    return find


def test_what_is_found_quickly_is_found_anew_each_time() -> None:
    clock = Clock()
    kept, find = Kept(clock), counting(clock, 0.09)

    assert [kept.ask("a", find) for _ in range(3)] == [1, 2, 3]


def test_what_takes_long_is_kept_a_hundred_times_as_long() -> None:
    clock = Clock()
    kept, find = Kept(clock), counting(clock, 0.2)
    assert kept.ask("a", find) == 1

    clock.now += 19
    assert kept.ask("a", find) == 1
    clock.now += 1.1
    assert kept.ask("a", find) == 2


def test_nothing_is_kept_longer_than_a_minute() -> None:
    clock = Clock()
    kept, find = Kept(clock), counting(clock, 5)
    kept.ask("a", find)

    clock.now += 60

    assert kept.ask("a", find) == 2


def test_answers_of_one_question_are_not_given_to_another() -> None:
    clock = Clock()
    kept = Kept(clock)

    assert [kept.ask(key, counting(clock, 1)) for key in ("a", "b")] == [1, 1]
    assert kept.ask("a", lambda: 7) == 1


def test_error_is_told_and_not_kept() -> None:
    kept = Kept()

    with pytest.raises(ZeroDivisionError):
        kept.ask("a", lambda: 1 // 0)
    assert kept.ask("a", lambda: 1) == 1


def test_the_answer_asked_for_longest_ago_goes_first_when_there_are_too_many() -> None:
    clock = Clock()
    kept, first = Kept(clock), counting(clock, 0.5)
    kept.ask("first", first)
    for number in range(63):
        kept.ask(number, counting(clock, 0.5))
    clock.now = 1001.0
    assert kept.ask("first", first) == 1

    kept.ask("one more", counting(clock, 0.0))

    assert kept.ask("first", first) == 1
    assert kept.ask(0, lambda: "anew") == "anew"


def test_those_who_ask_meanwhile_wait_for_the_same_answer() -> None:
    clock, begun, go_on, calls = Clock(), threading.Event(), threading.Event(), []
    kept = Kept(clock)

    def find() -> int:
        calls.append(1)
        begun.set()
        assert go_on.wait(10)
        clock.now += 1
        return 42

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(kept.ask, "a", find) for _ in range(4)]
        assert begun.wait(10)
        go_on.set()
        assert [one.result(10) for one in asked] == [42] * 4
    assert len(calls) == 1
