"""Database, Redis, archivers and workers die in turn under load: the archive has what the history has, once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.chaos.arena import Arena
from tests.chaos.checker import check
from tests.chaos.faults import Faults
from tests.chaos.processes import wait_for
from tests.chaos.sizes import sizes
from tests.servers.postgres import PostgresForTests

from helperhub import Hub
from helperhub.archive import tables


def archived(hub: Hub) -> dict[str, str]:
    """Return the states of what the archive holds, by id; an id can't be there twice."""
    assert hub.database is not None
    table = tables.executions
    with hub.database.read() as connection:
        return {row.id: row.status for row in connection.execute(select(table.c.id, table.c.status))}


def summed(hub: Hub) -> Counter[str]:
    """Return what the sums by hour say of each outcome."""
    assert hub.database is not None
    table, found = tables.rollups, Counter[str]()
    with hub.database.read() as connection:
        for row in connection.execute(select(table).where(table.c.period == "hour")):
            found.update({name: getattr(row, name) for name in tables.OUTCOMES})
    return +found


def check_archive(arena: Arena) -> None:
    """The archive has what Redis's history has, with the same ends, and its sums say the same."""
    history = {one.id: one.status.value for one in arena.hub.records.finished()}
    wait_for(lambda: len(archived(arena.hub)) >= len(history), "all is archived", seconds=30)
    assert archived(arena.hub) == history
    assert summed(arena.hub) == Counter(history.values())


@sizes(small=(600, 1), full=(20_000, 5), names="jobs,rounds")
def test_archive_has_all_that_ended_whatever_died_meanwhile(seed: int, jobs: int, rounds: int) -> None:
    with PostgresForTests(settings=("fsync=on",)) as postgres, postgres.database() as url:
        settings = {"HELPERHUB_DATABASE_URL": url, "HELPERHUB_ARCHIVE__EVERY": "100ms"}
        with Arena(seed, server=("--appendfsync", "always"), settings=settings) as arena:
            faults = Faults(arena)
            arena.hub.upgrade_archive()
            arena.start_workers(processes=2)
            arena.start_schedulers(1)
            for _ in range(2):
                arena.processes.start_archiver()

            def kill_database() -> None:
                postgres.kill()
                postgres.start()

            def kill_an_archiver() -> None:
                arena.processes.kill(arena.processes.archivers.pop(0))
                arena.processes.start_archiver()

            arena.offer_meanwhile(jobs, {"ms": 5}, per_second=jobs // (3 * rounds))
            for _ in range(rounds):
                for fault in (kill_database, kill_an_archiver, faults.kill_server, faults.kill_a_worker):
                    faults.every(0.6, fault, for_s=0.7)
            arena.drain(seconds=150)

            report = check(arena, "database, archivers, server and workers killed in turn")
            check_archive(arena)

    assert report.problems == []
    assert report.lost == 0


@pytest.mark.timeout(90)
def test_database_that_is_away_for_long_is_caught_up_with(seed: int) -> None:
    with PostgresForTests() as postgres, postgres.database() as url:
        settings = {"HELPERHUB_DATABASE_URL": url, "HELPERHUB_ARCHIVE__EVERY": "100ms"}
        with Arena(seed, settings=settings) as arena:
            arena.hub.upgrade_archive()
            arena.start_workers(processes=2)
            arena.processes.start_archiver()
            arena.offer(300, {"ms": 1})
            wait_for(lambda: len(archived(arena.hub)) == 300, "the first are archived")

            postgres.stop()
            arena.offer(2000, {"ms": 1})
            wait_for(arena.has_drained, "work goes on without the database")
            wait_for(lambda: '"archive_delayed"' in Path(arena.processes.log).read_text(), "the archiver says so")
            postgres.start()

            check_archive(arena)
            assert len(archived(arena.hub)) == 2300
            wait_for(lambda: '"archive_recovered"' in Path(arena.processes.log).read_text(), "the archiver says so")
            lag = arena.hub.archive_status.lag()
            assert lag is not None
            assert lag.total_seconds() < 10
            arena.stop()
