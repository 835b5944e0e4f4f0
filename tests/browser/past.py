"""Two months that a hub's archive is given, so that pictures of its charts show something; the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.browser.running import RealHub

from helperhub.archive.database import Database
from helperhub.archive.rows import Ended
from helperhub.archive.writing import Writer
from helperhub.model.execution import AttemptError, Execution, Status, Trigger
from helperhub.model.instant import epoch_ms, to_stamp

DAYS = 60
#: Helper, minutes between its due times, its usual ms, one in so many that fails.
_HELPERS = (("greet", 60, 40, 90), ("tidy", 120, 900, 60), ("tuned", 180, 250, 30))
_BAD_HOURS = timedelta(hours=5)


def add_past(running: RealHub) -> None:
    """Write two months of these helpers into the archive; they end an hour ago."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    database = Database(running.environ["HELPERHUB_DATABASE_URL"])
    try:
        # A stream of its own: how far the archiver has come isn't touched.
        Writer(database).write(0, "past", None, "1", sorted(_past(end), key=lambda one: one.recorded_ms))
    finally:
        database.close()


def _past(end: datetime) -> Iterator[Ended]:
    dice = random.Random(7)  # noqa: S311 - nothing secret
    for helper, minutes, usual_ms, fails in _HELPERS:
        for number in range(DAYS * 24 * 60 // minutes):
            due = end - timedelta(minutes=minutes) * number
            # Half a day ago something that it asks was away.
            trouble = helper == "tuned" and timedelta(hours=9) < end - due < timedelta(hours=9) + _BAD_HOURS
            failed = trouble or dice.random() < 1 / fails
            yield _ended(helper, due, dice.lognormvariate(0, 0.5) * usual_ms, dice, failed=failed)


def _ended(helper: str, due: datetime, took_ms: float, dice: random.Random, *, failed: bool) -> Ended:
    started = due + timedelta(milliseconds=dice.randrange(3, 40))
    finished = started + timedelta(milliseconds=took_ms)
    error = AttemptError("TimeoutError", "the shop doesn't answer", "in ask, line 17", 4, finished)
    execution = Execution(
        id=f"{helper}@{to_stamp(due)}",
        helper=helper,
        queue="default",
        priority=3,
        status=Status.ERROR if failed else Status.SUCCESS,
        planned_at=due,
        due_at=due,
        enqueued_at=due,
        started_at=started,
        finished_at=finished,
        attempt=4 if failed else 1,
        max_attempts=4,
        delivery=4 if failed else 1,
        trigger=Trigger.SCHEDULE,
        errors=(error,) if failed else (),
    )
    return Ended(epoch_ms(finished), execution)
