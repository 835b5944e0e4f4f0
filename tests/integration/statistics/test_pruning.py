"""Cleaning up: what is old goes, by outcome, with all that belongs to it; sums and dead letters stay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.integration.statistics.conftest import NOW, Fill, ended, write

from helperhub.archive import tables
from helperhub.archive.database import Database
from helperhub.archive.pruning import Pruner
from helperhub.archive.statistics import count_rows
from helperhub.archive.upgrade import upgrade
from helperhub.errors import NotFound, UsageError
from helperhub.model.execution import Status
from helperhub.model.instant import epoch_ms
from helperhub.services.pruning import Pruning
from helperhub.services.statistics import Statistics, Wish

DAY = timedelta(days=1)


class Notes:
    """What a service has put into the audit trail."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []

    def note(self, action: str, target: str, **_more: Any) -> None:
        self.noted.append((action, target))


def pruning(database: Database | None, dead: Iterable[str] = (), notes: Notes | None = None) -> Pruning:
    return Pruning(lambda: database, lambda: dead, notes or Notes(), lambda: NOW)  # type: ignore[arg-type]


def ids(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(tables.executions.c.id)).scalars())


def number_of(database: Database, table: Any) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_old_executions_go_with_their_attempts_and_metadata(database: Database, fill: Fill) -> None:
    fill([ended(NOW - 31 * DAY, status=Status.ERROR, own_id="old"), ended(NOW - 29 * DAY, own_id="young")])
    notes = Notes()

    found = pruning(database, notes=notes).prune()

    assert ids(database) == {"young"}
    assert number_of(database, tables.attempts) == 0
    assert number_of(database, tables.execution_metadata) == 1
    assert (found["total"], found["executions"]["error"], found["dry_run"]) == (1, 1, False)
    assert notes.noted == [("archive.prune", "archive")]


def test_each_outcome_has_its_own_age(database: Database, fill: Fill) -> None:
    fill([ended(NOW - 31 * DAY, status=status, own_id=status.value) for status in Status if status.final])

    found = pruning(database).prune(40 * DAY, by_outcome={"success": 30 * DAY, "skipped": DAY})

    assert ids(database) == {"error", "expired", "cancelled"}
    assert found["executions"] == {"success": 1, "error": 0, "expired": 0, "cancelled": 0, "skipped": 1}


def test_dead_letters_that_stand_keep_their_rows(database: Database, fill: Fill) -> None:
    fill([ended(NOW - 90 * DAY, status=Status.ERROR, own_id=f"dead-{i}") for i in range(3)])

    found = pruning(database, dead=iter(["dead-1", "elsewhere"])).prune()

    assert ids(database) == {"dead-1"}
    assert found["total"] == 2


def test_dry_run_says_what_would_go_and_removes_nothing(database: Database, fill: Fill) -> None:
    fill([ended(NOW - 100 * DAY, status=Status.ERROR, own_id=f"dead-{i}") for i in range(3)])
    fill([ended(NOW - 100 * DAY, own_id="old"), ended(NOW)])
    before, rows, notes = ids(database), count_rows(database), Notes()
    service = pruning(database, dead=["dead-1"], notes=notes)

    would = service.prune(dry_run=True)

    assert (ids(database), count_rows(database), notes.noted) == (before, rows, [])
    done = service.prune()
    assert {**would, "dry_run": False, "free_bytes": None} == {**done, "free_bytes": None}
    assert (done["total"], done["hours"]) == (3, 1)


def test_hours_go_and_days_stay_so_that_statistics_do(database: Database, fill: Fill, statistics: Statistics) -> None:
    fill([ended(NOW - 120 * DAY), ended(NOW - 10 * DAY)])
    wish = Wish(since=NOW - 200 * DAY)
    before = statistics.summary(wish)["now"]

    found = pruning(database).prune()

    assert found["hours"] == 1
    assert statistics.summary(wish)["now"] == before
    assert sum(statistics.series(wish)["executions"]) == 2
    # What hours there are, is what counts for the hours of the week; the answer says from when on.
    hours = statistics.hours(wish)
    assert sum(map(sum, hours["counts"])) == 1
    assert hours["since"] == "2026-11-17T00:00:00Z"


def test_span_whose_hours_are_gone_is_widened_to_days(database: Database, fill: Fill, statistics: Statistics) -> None:
    fill([ended(NOW - 120 * DAY), ended(NOW)])
    pruning(database).prune()

    found = statistics.summary(Wish(since=NOW - 120 * DAY - timedelta(hours=1), until=NOW - 119 * DAY))

    assert found["now"]["executions"] == 1
    assert (found["since"], found["until"]) == ("2026-07-30T00:00:00Z", "2026-08-01T00:00:00Z")


def test_more_than_one_transaction_removes_all_and_rests_between(database: Database, fill: Fill) -> None:
    fill([ended(NOW - 31 * DAY, own_id=f"old-{i:04}") for i in range(1201)])
    fill([ended(NOW - 40 * DAY, own_id=f"spared-{i:04}") for i in range(600)])
    rests: list[float] = []
    pruner = Pruner(database, rests.append)
    before_ms = {"success": epoch_ms(NOW - 30 * DAY)}

    removed = pruner.remove_executions(before_ms, {f"spared-{i:04}" for i in range(600)})

    assert removed == {"success": 1201}
    assert number_of(database, tables.executions) == 600
    assert len(rests) == 3


def test_second_run_finds_nothing_and_notes_nothing(database: Database, fill: Fill) -> None:
    fill([ended(NOW - 100 * DAY)])
    pruning(database).prune()
    notes = Notes()

    found = pruning(database, notes=notes).prune()

    assert (found["total"], found["hours"], notes.noted) == (0, 0, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"older_than": timedelta(hours=1)}, "1d or more"),
        ({"by_outcome": {"error": timedelta(0)}}, "1d or more"),
        ({"hours_older_than": timedelta(minutes=5)}, "1d or more"),
        ({"by_outcome": {"failed": DAY}}, "success, error"),
    ],
)
def test_ages_that_make_no_sense_are_refused(database: Database, words: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pruning(database).prune(**words)


def test_hub_without_an_archive_says_so() -> None:
    with pytest.raises(NotFound, match="no archive"):
        pruning(None).prune()


@pytest.mark.parametrize("gives_back", [True, False])
def test_free_pages_of_a_sqlite_file_are_given_back_where_it_was_made_so(tmp_path: Path, gives_back: bool) -> None:
    path = tmp_path / "archive.db"
    database = Database(f"sqlite:///{path}")
    if gives_back:
        with database._engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA auto_vacuum=INCREMENTAL")
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("BEGIN")
    upgrade(database, hub="test")
    write(database, [ended(NOW - 31 * DAY, result="x" * 2000) for _ in range(3000)])
    with database._engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    before = path.stat().st_size

    free_bytes = pruning(database).prune()["free_bytes"]

    database.close()
    assert before > 6_000_000
    if gives_back:
        assert free_bytes == 0
        assert path.stat().st_size < before / 2
    else:
        assert free_bytes > before / 2
