"""What `helperhub up` prints of outcomes: a line for each, and one for all that was missed while nothing ran."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from helperhub.cli.outcomes import Outcomes
from helperhub.model.execution import Execution, Status

BEGAN = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)


class _Ended:
    """Has what ended, newest first."""

    def __init__(self, *executions: Execution) -> None:
        self.executions = list(executions)

    def latest(self, since: datetime, *, limit: int) -> list[Execution]:
        """Return those that ended since then."""
        found = [one for one in self.executions if one.finished_at is not None and one.finished_at >= since]
        return sorted(found, key=lambda one: one.finished_at or BEGAN, reverse=True)[:limit]


def ended(name: str, status: Status, due: timedelta, finished: timedelta, **fields: Any) -> Execution:
    return Execution(
        id=f"{name}-{due}",
        helper=name,
        queue="default",
        priority=3,
        status=status,
        due_at=BEGAN + due,
        finished_at=BEGAN + finished,
        **fields,
    )


def follow(*executions: Execution) -> tuple[list[str], str]:
    outcomes = Outcomes(cast("Any", _Ended(*executions)), began=BEGAN)
    lines = [line for _ in range(2) for line in outcomes.lines()]
    return lines, outcomes.summary()


def test_what_was_missed_before_the_start_is_one_line() -> None:
    seconds = [timedelta(seconds=-n) for n in range(1, 31)]
    missed = [ended("check", Status.EXPIRED, due, timedelta(seconds=1), reason="missed") for due in seconds]
    missed.append(ended("daily", Status.SKIPPED, -timedelta(hours=9), timedelta(seconds=1), reason="overlap", count=3))

    lines, summary = follow(*missed)

    assert lines == ["08:00:01Z  missed     33 due times before this start: check 30, daily 3"]
    assert summary == "Since the start: nothing ended."


def test_more_than_are_read_at_once_are_at_least_so_many() -> None:
    missed = [ended("check", Status.EXPIRED, timedelta(seconds=-n), timedelta(seconds=1)) for n in range(1, 600)]

    lines, _ = follow(*missed)

    assert lines == ["08:00:01Z  missed     at least 500 due times before this start: check 500"]


def test_of_many_helpers_those_that_missed_most_are_named() -> None:
    missed = [
        ended(f"helper-{n}", Status.EXPIRED, -timedelta(hours=1, seconds=place), timedelta(seconds=2))
        for n in range(7)
        for place in range(10 - n)
    ]

    ((line,), _) = follow(*missed)

    assert line.endswith(
        "49 due times before this start: helper-0 10, helper-1 9, helper-2 8, helper-3 7, helper-4 6, 2 more helpers"
    )


def test_what_is_left_out_later_or_runs_late_has_its_line() -> None:
    late = ended(
        "check", Status.SUCCESS, -timedelta(minutes=1), timedelta(seconds=3), started_at=BEGAN + timedelta(seconds=2)
    )
    expired = ended("slow", Status.EXPIRED, timedelta(seconds=5), timedelta(seconds=9), reason="not started in time")

    lines, summary = follow(late, expired)

    assert lines == ["08:00:03Z  ok         check  1.00 s", "08:00:09Z  expired    slow  not started in time"]
    assert summary == "Since the start: 1 expired, 1 success."
