"""An archive in SQLite and in PostgreSQL, filled with executions that ended when a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helperhub.archive.database import Database
from helperhub.archive.rows import Ended
from helperhub.archive.upgrade import upgrade
from helperhub.archive.writing import Writer
from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.model.instant import epoch_ms
from helperhub.model.span import HOUR_MS
from helperhub.services.statistics import Statistics

Fill = Callable[[Sequence[Ended]], None]
HOUR = timedelta(milliseconds=HOUR_MS)
_numbers = iter(range(10**9))


def ended(
    at: datetime,
    helper: str = "sync",
    status: Status = Status.SUCCESS,
    *,
    ran_ms: int = 100,
    waited_ms: int = 10,
    attempt: int = 1,
    queue: str = "default",
    result: Any = None,
    own_id: str | None = None,
) -> Ended:
    """Return an execution that came to its end at ``at``."""
    started = at - timedelta(milliseconds=ran_ms)
    ran = status in (Status.SUCCESS, Status.ERROR)
    execution = Execution(
        own_id or f"execution-{next(_numbers)}",
        helper,
        queue,
        3,
        status,
        due_at=started - timedelta(milliseconds=waited_ms),
        started_at=started if ran else None,
        finished_at=at,
        attempt=attempt,
        max_attempts=4,
        delivery=attempt,
        result=result,
        metadata={"app": "test"},
        errors=(AttemptError("RuntimeError", "it is broken", "", attempt, at),) if status is Status.ERROR else (),
    )
    return Ended(epoch_ms(at), execution)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An archive that is set up and empty."""
    url = (
        f"sqlite:///{tmp_path}/archive.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    database = Database(url)
    upgrade(database, hub="test")
    yield database
    database.close()


@pytest.fixture
def fill(database: Database) -> Fill:
    """Writes executions into the archive, as an archiver does."""
    return lambda some: write(database, some)


def write(database: Database, some: Sequence[Ended]) -> None:
    writer = Writer(database)
    before = writer.place(0, "ended")
    assert writer.write(0, "ended", before, str(int(before or 0) + 1), some)


@pytest.fixture
def statistics(database: Database) -> Statistics:
    """Statistics of that archive, on Friday 27 November 2026, 15:30 UTC."""
    return Statistics(lambda: database, lambda: NOW)


NOW = datetime.fromisoformat("2026-11-27T15:30:00+00:00")
