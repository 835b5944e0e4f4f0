"""What ended comes into the archive: once, whole, and Redis keeps it until then."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text
from tests.integration.conftest import wait_until
from tests.integration.services.test_execution_pages import cancelled
from tests.integration.services.test_executions import give_up, signed

from helperhub import Hub
from helperhub.archive import tables
from helperhub.archive.database import Database
from helperhub.archive.upgrade import newest
from helperhub.archive.writing import Writer
from helperhub.errors import ArchiveUnavailable
from helperhub.model.execution import AttemptError
from helperhub.services.archiving import Archiver
from helperhub.store.archived import count_unarchived, read_archived
from helperhub.store.record import Record, pack_error
from helperhub.store.scripts import Settlement


def rows(database: Database, table: Any = tables.executions) -> list[Any]:
    with database.read() as connection:
        return [*connection.execute(select(table)).all()]


def ids(database: Database) -> list[str]:
    return sorted(row.id for row in rows(database))


def test_finished_execution_is_archived_with_all_that_is_known_of_it(
    hub: Hub, archiver: Archiver, database: Database
) -> None:
    record = Record(helper="weather/berlin", call="a", planned_ms=1_790_000_000_000, metadata=b'{"app":"crm","n":7}')
    record.body = hub.envelopes.pack("a", record, hub.envelopes.read("a", record))
    hub.scripts.publish([signed(hub, "a", record)])
    hub.scripts.join("w", lease_ms=60_000, about={"queues": "default"})
    hub.scripts.claim("w", ["default"], number=1, want=1, will_wait=False, waited=False)
    hub.scripts.settle("w", [Settlement("a", 1, "done", result=b'{"t":17.5}')])
    shown = hub.executions.get("a")

    assert archiver.advance() == 1

    (row,) = rows(database)
    assert (row.id, row.helper, row.instance, row.status) == ("a", "weather", "berlin", "success")
    assert (row.queue, row.priority, row.attempt, row.planned_ms) == ("default", 3, 1, 1_790_000_000_000)
    assert orjson.loads(row.result) == shown.result == {"t": 17.5}
    assert {(one.name, one.value) for one in rows(database, tables.execution_metadata)} == {("app", "crm"), ("n", "7")}
    with database.read() as connection:
        at = connection.execute(text("SELECT finished_at FROM executions_by_time")).scalar_one()
    assert shown.finished_at is not None
    assert str(at)[:10] == str(shown.finished_at)[:10]


def test_archiving_goes_on_where_it_ended_and_takes_nothing_twice(
    hub: Hub, archiver: Archiver, database: Database
) -> None:
    cancelled(hub, ["a", "b"])
    assert archiver.advance() == 2

    cancelled(hub, ["c"])

    assert hub.build_archiver().advance() == 1
    assert archiver.advance() == 0
    assert ids(database) == ["a", "b", "c"]


def test_many_that_end_in_one_ms_are_archived_across_batches(
    hub: Hub, archiver: Archiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helperhub.services.archiving.BATCH", 7)
    names = [f"n{number:03d}" for number in range(250)]
    cancelled(hub, names, at_once=True)

    assert archiver.advance() == 250
    assert ids(database) == names
    assert sum(row.cancelled for row in rows(database, tables.rollups) if row.period == "day") == 250


def test_two_archivers_at_once_write_each_execution_once(hub: Hub, database: Database) -> None:
    names = [f"n{number:04d}" for number in range(600)]
    archivers = [hub.build_archiver() for _ in range(2)]
    threads = [threading.Thread(target=one.run) for one in archivers]
    for thread in threads:
        thread.start()

    for start in range(0, 600, 20):
        cancelled(hub, names[start : start + 20], at_once=True)
    wait_until(lambda: len(ids(database)) == 600)
    for one in archivers:
        one.stop()
    for thread in threads:
        thread.join()

    assert ids(database) == names
    assert sum(row.cancelled for row in rows(database, tables.rollups) if row.period == "hour") == 600


def test_dead_letter_is_archived_with_its_attempts(hub: Hub, archiver: Archiver, database: Database) -> None:
    hub.scripts.join("w", lease_ms=60_000, about={"queues": "default"})
    hub.scripts.publish([signed(hub, "a", Record(helper="tidy", call="a", max_attempts=2))])
    for number, verdict in enumerate(("retry", "dead"), start=1):
        claimed = hub.scripts.claim("w", ["default"], number=number, want=1, will_wait=False, waited=False)
        assert [id_ for id_, _ in claimed.records] == ["a"]
        error = pack_error(AttemptError("ValueError", f"boom \0 {number}", "in tidy", number))
        hub.scripts.settle("w", [Settlement("a", number, verdict, error=error)])

    archiver.advance()

    (row,) = rows(database)
    assert (row.status, row.error_type, row.error_message) == ("error", "ValueError", "boom \ufffd 2")
    assert [(one.attempt, one.message) for one in rows(database, tables.attempts)] == [
        (1, "boom \ufffd 1"),
        (2, "boom \ufffd 2"),
    ]


def test_every_attempt_is_archived_also_those_that_the_record_has_no_room_for(
    hub: Hub, archiver: Archiver, database: Database
) -> None:
    archiver.advance()
    hub.scripts.join("w", lease_ms=60_000, about={"queues": "default"})
    hub.scripts.publish([signed(hub, "a", Record(helper="tidy", call="a", max_attempts=6))])
    for number in range(1, 7):
        claimed = hub.scripts.claim("w", ["default"], number=number, want=1, will_wait=False, waited=False)
        assert [id_ for id_, _ in claimed.records] == ["a"]
        error = pack_error(AttemptError("ValueError", f"boom {number}", "in tidy", number))
        hub.scripts.settle("w", [Settlement("a", number, "retry" if number < 6 else "dead", error=error)])

    archiver.advance()

    assert [one.message for one in sorted(rows(database, tables.attempts), key=lambda one: one.attempt)] == [
        f"boom {number}" for number in range(1, 7)
    ]
    assert hub.scripts.client.xlen(hub.scripts.keys.at("attempts")) == 0
    hub.scripts.client.delete(hub.scripts.keys.at("attempts"))


def test_dead_letter_whose_record_is_damaged_is_archived_too(
    hub: Hub, archiver: Archiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no place among the outcomes: only the dead letters have it."""
    monkeypatch.setattr("helperhub.services.archiving._STRAYS_MS", -1000)
    give_up(hub, ["good"])
    hub.scripts.publish([signed(hub, "bad", Record(helper="tidy", call="bad"))])
    hub.scripts.client.set(hub.scripts.keys.record("bad"), b"garbage")
    hub.scripts.claim("w", ["default"], number=99, want=1, will_wait=False, waited=False)
    assert {*hub.records.dead_ids()} == {"bad", "good"}

    archiver.advance()

    assert ids(database) == ["bad", "good"]
    assert {row.reason for row in rows(database) if row.id == "bad"} == {"its record can't be decoded"}
    hub.dead_letters.delete(["bad", "good"])


def test_history_that_isnt_archived_yet_outlives_its_lifetime(hub: Hub, archiver: Archiver) -> None:
    cancelled(hub, ["a"])
    archiver.advance()
    cancelled(hub, ["b"])

    ended = hub.scripts.trim("default", "f", keep_ms=-10_000, limit=10, bound_bytes=0, held=True)

    assert ended == 1
    assert [one.id for one in hub.records.finished()] == ["b"]
    assert count_unarchived(hub.scripts) == 0


def test_history_goes_unarchived_only_where_memory_is_short_and_that_is_counted(hub: Hub, archiver: Archiver) -> None:
    archiver.advance()
    cancelled(hub, ["a"])

    ended = hub.scripts.trim("default", "f", keep_ms=-10_000, limit=10, bound_bytes=1, held=True)

    assert ended == 1
    assert count_unarchived(hub.scripts) == 1
    assert "1 executions left Redis for want of memory" in hub.archive_status.problems()[0]


def test_without_an_archiver_history_ends_as_ever(hub: Hub) -> None:
    cancelled(hub, ["a"])

    assert hub.scripts.trim("default", "f", keep_ms=-10_000, limit=10, bound_bytes=0, held=True) == 1


def test_database_away_costs_nothing_but_time(
    hub: Hub, archiver: Archiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> bool:
        message = "away"
        raise ArchiveUnavailable(message)

    cancelled(hub, ["a"])
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", fail)
        with pytest.raises(ArchiveUnavailable):
            archiver.advance()

    assert archiver.advance() == 1
    assert ids(database) == ["a"]


def test_commit_whose_answer_was_lost_isnt_written_again(
    hub: Hub, archiver: Archiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled(hub, ["a"])
    real = Writer.write

    def lose_the_answer(*given: Any) -> bool:
        real(*given)
        message = "the connection was lost"
        raise ArchiveUnavailable(message)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", lose_the_answer)
        with pytest.raises(ArchiveUnavailable):
            archiver.advance()
    cancelled(hub, ["b"])

    archiver.advance()

    assert ids(database) == ["a", "b"]
    assert sum(row.cancelled for row in rows(database, tables.rollups) if row.period == "day") == 2


def test_archive_that_was_ahead_of_a_redis_put_back_has_one_row_an_execution(
    hub: Hub, archiver: Archiver, database: Database
) -> None:
    """A failover may lose what was archived: the execution comes to its end again."""
    cancelled(hub, ["a"])
    archiver.advance()
    first = rows(database)[0].recorded_ms
    hub.scripts.trim("default", "f", keep_ms=-10_000, limit=10, bound_bytes=0, held=False)

    cancelled(hub, ["a"])
    archiver.advance()

    (row,) = rows(database)
    assert row.recorded_ms > first


def test_lag_is_none_before_the_first_archiver_and_small_behind_it(hub: Hub, archiver: Archiver) -> None:
    assert hub.archive_status.lag() is None

    archiver.advance()

    lag = hub.archive_status.lag()
    assert lag is not None
    assert lag < timedelta(seconds=10)
    said = read_archived(hub.scripts)
    assert said is not None
    assert said.until_ms <= said.at_ms


def test_status_of_the_archive_says_where_and_how_much(hub: Hub, archiver: Archiver, database: Database) -> None:
    cancelled(hub, ["a"])
    archiver.advance()
    if database.is_postgres:
        with database.write() as connection:
            connection.execute(text("ANALYZE executions"))

    found = hub.archive_status.look()

    assert (found["revision"], found["executions"], found["problems"]) == (newest(), 1, [])
    assert "password" not in found["url"]
