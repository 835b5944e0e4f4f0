"""The intake: worker threads get what was claimed, in its order, and as many of them as help."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty

import pytest

from helperhub.broker.intake import Intake
from helperhub.broker.message import ClaimedMessage
from helperhub.broker.pace import Pace
from helperhub.store.body import Envelope
from helperhub.store.record import Record

SOON_S = 10.0


def message(id_: str, queue: str = "default") -> ClaimedMessage:
    record = Record(helper="tidy", queue=queue)
    return ClaimedMessage(id_, record, Envelope(), claim=1, claimed_at=0.0)


@pytest.fixture
def pace() -> Pace:
    """Two threads at first, and no clock that runs."""
    return Pace(4, clock=lambda: 0.0, used_s=lambda: 0.0, starved_s=lambda: 0.0)


@pytest.fixture
def intake(pace: Pace) -> Intake:
    found = Intake(pace, is_usual=lambda message: not message.execution_id.startswith("odd"))
    found.open("default")
    return found


class Threads:
    """Threads that take messages, and each hold theirs until they are let go."""

    def __init__(self, intake: Intake, count: int) -> None:
        self.intake = intake
        self.taken: list[str] = []
        self._go = threading.Semaphore(0)
        self._stopping = False
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def let_go(self, count: int = 1) -> None:
        self._go.release(count)

    def stop(self) -> None:
        self._stopping = True
        self.let_go(1000)
        for thread in self._threads:
            thread.join(SOON_S)
            assert not thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            try:
                item = self.intake.get(timeout=0.05)
            except Empty:
                continue
            self.taken.append(item.message.execution_id)
            self._go.acquire()
            self.intake.task_done()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_message_is_taken_in_the_order_of_the_claim(intake: Intake) -> None:
    intake.offer([message("a"), message("b")])
    intake.offer([message("c")])

    assert [intake.get(timeout=0).message.execution_id for _ in range(3)] == ["a", "b", "c"]


def test_nothing_in_time_is_told_as_a_queue_does(intake: Intake) -> None:
    with pytest.raises(Empty):
        intake.get(timeout=0.01)
    with pytest.raises(Empty):
        intake.get_nowait()


def test_sleeping_thread_is_woken_by_what_comes_in(intake: Intake) -> None:
    threads = Threads(intake, 1)

    intake.offer([message("a")])

    until(lambda: threads.taken == ["a"])
    threads.stop()


def test_more_threads_than_help_are_held_back_until_they_do(intake: Intake, pace: Pace) -> None:
    threads = Threads(intake, 4)
    until(lambda: len(intake._sleepers) == 4)

    intake.offer([message(name) for name in "abcdef"])

    until(lambda: len(threads.taken) == 2)
    assert intake.holds_back
    intake.consider_more()
    assert len(threads.taken) == 2
    pace.target = 3
    intake.consider_more()
    until(lambda: len(threads.taken) == 3)
    threads.let_go(6)
    until(lambda: sorted(threads.taken) == [*"abcdef"])
    intake.join()
    threads.stop()
    assert intake.unfinished_tasks == 0


def test_no_message_is_lost_or_doubled_between_many_threads(intake: Intake, pace: Pace) -> None:
    pace.target = 4
    threads = Threads(intake, 8)
    threads.let_go(100_000)
    ids = [f"m{number}" for number in range(5_000)]

    for start in range(0, len(ids), 7):
        intake.offer([message(id_) for id_ in ids[start : start + 7]])

    until(lambda: len(threads.taken) >= len(ids))
    intake.join()
    threads.stop()
    assert sorted(threads.taken) == sorted(ids)


def test_nothing_is_taken_before_a_consumer_is_there_to_settle_it(pace: Pace) -> None:
    intake = Intake(pace, is_usual=lambda message: True)
    intake.offer([message("a")])
    with pytest.raises(Empty):
        intake.get(timeout=0.01)

    intake.open("default")

    assert intake.get(timeout=0).message.queue_name == "default"


def test_message_of_a_queue_without_a_consumer_is_settled_through_another(intake: Intake) -> None:
    intake.offer([message("a", "elsewhere")])

    assert intake.get(timeout=0).message.queue_name == "default"


def test_what_no_thread_can_run_goes_to_a_consumer(intake: Intake) -> None:
    intake.offer([message("odd"), message("a")])

    assert intake.get(timeout=0).message.execution_id == "a"
    found = intake.take_unusual(0.01)
    assert found is not None
    assert found.execution_id == "odd"
    assert intake.take_unusual(0.01) is None


def test_closed_intake_lets_nobody_wait_and_hands_nothing_out(intake: Intake) -> None:
    ended: list[str] = []

    def wait(name: str, take: Callable[[], object]) -> None:
        try:
            take()
        except Empty:
            ended.append(name)

    threads = [
        threading.Thread(target=wait, args=("thread", lambda: intake.get(timeout=60))),
        threading.Thread(target=lambda: ended.append(str(intake.take_unusual(60)))),
    ]
    for thread in threads:
        thread.start()
    until(lambda: intake._sleepers)

    intake.close()

    for thread in threads:
        thread.join(SOON_S)
    assert sorted(ended) == ["None", "thread"]
    intake.offer([message("late")])
    with pytest.raises(Empty):
        intake.get(timeout=60)
