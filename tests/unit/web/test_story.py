"""An execution's story: by time, and as it must have been where two clocks tell of one moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.web.pages.execution import tell_story

AT = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)


def test_attempt_that_started_was_due_though_the_clocks_differ_by_some_ms() -> None:
    error = AttemptError("RuntimeError", "no", "", 1, AT)
    due = AT + timedelta(milliseconds=100)
    one = Execution(
        id="x",
        helper="again",
        queue="default",
        priority=3,
        status=Status.ERROR,
        due_at=due,
        enqueued_at=AT - timedelta(seconds=1),
        started_at=due - timedelta(milliseconds=2),
        finished_at=due + timedelta(milliseconds=5),
        attempt=2,
        max_attempts=2,
        errors=(error,),
    )

    told = [event["what"] for event in tell_story(one)]

    assert told[-4:] == ["Attempt 1 of 2 failed", "Attempt 2 of 2 due", "Attempt 2 of 2 started", "Ended: error"]
