"""Statistics on SQLite and PostgreSQL, from executions that an archiver wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.statistics.conftest import HOUR, NOW, Fill, ended

from helperhub.archive.database import Database
from helperhub.archive.statistics import RollupReader, Which
from helperhub.errors import NotFound, UsageError
from helperhub.model.execution import Status
from helperhub.model.instant import epoch_ms
from helperhub.model.span import DAY_MS, Stretch
from helperhub.services.statistics import Statistics, Wish


def test_summary_counts_and_times_a_span_beside_the_one_before(statistics: Statistics, fill: Fill) -> None:
    fill([ended(NOW - HOUR, ran_ms=100) for _ in range(8)])
    fill([ended(NOW - 2 * HOUR, status=status) for status in (Status.ERROR, Status.EXPIRED, Status.SKIPPED)])
    fill([ended(NOW - 8 * 24 * HOUR, ran_ms=200, attempt=2) for _ in range(4)])

    found = statistics.summary(Wish())

    now, before, change = found["now"], found["before"], found["change"]
    assert (now["executions"], now["success"], now["error"], now["expired"], now["skipped"]) == (11, 8, 1, 1, 1)
    assert now["completion_rate"] == 0.8
    assert now["run"]["mean_ms"] == 100.0
    assert now["run"]["p95_ms"] == pytest.approx(100, rel=0.05)
    assert now["worker_seconds"] == pytest.approx(0.9)
    assert (before["executions"], before["retries"], before["failed_attempts"]) == (4, 4, 0.5)
    assert change["executions"] == 1.75
    assert change["run_mean"] == -0.5
    assert change["completion_rate"] == pytest.approx(-0.2)


def test_empty_archive_has_figures_of_nothing(statistics: Statistics) -> None:
    found = statistics.summary(Wish())

    assert found["now"]["executions"] == 0
    assert found["now"]["completion_rate"] is None
    assert found["now"]["run"] == {"mean_ms": None, "p50_ms": None, "p95_ms": None, "p99_ms": None}
    assert set(found["change"].values()) == {None}
    assert statistics.helpers(Wish())["helpers"] == []
    assert statistics.hours(Wish())["busiest"] == []


def test_helpers_come_in_the_order_that_is_asked_for(statistics: Statistics, fill: Fill) -> None:
    fill([ended(NOW - HOUR, "busy", ran_ms=10) for _ in range(9)])
    fill([ended(NOW - HOUR, "slow", ran_ms=9000) for _ in range(2)])
    fill([ended(NOW - HOUR, "flaky/one", ran_ms=30, attempt=3) for _ in range(3)])
    fill([ended(NOW - HOUR, "broken", Status.ERROR, ran_ms=20) for _ in range(4)])

    def first(order: str, at_least: int = 1) -> str:
        return str(statistics.helpers(Wish(), order=order, limit=1, at_least=at_least)["helpers"][0]["helper"])

    assert first("busiest") == "busy"
    assert first("slowest") == first("costliest") == "slow"
    assert first("failing") == first("flakiest") == "broken"
    assert first("slowest", at_least=3) == "flaky/one"
    rows = statistics.helpers(Wish(), order="flakiest")["helpers"]
    assert [row["helper"] for row in rows] == ["broken", "flaky/one"]
    assert rows[1]["failed_attempts"] == pytest.approx(2 / 3, rel=1e-4)


def test_slowest_is_told_by_what_ran_and_not_by_what_was_cancelled_before(statistics: Statistics, fill: Fill) -> None:
    fill([ended(NOW - HOUR, "slow", ran_ms=5000)])
    fill([ended(NOW - HOUR, "slow", Status.CANCELLED) for _ in range(50)])
    fill([ended(NOW - HOUR, "quick", ran_ms=1000) for _ in range(5)])

    rows = statistics.helpers(Wish(), order="slowest")["helpers"]

    assert [(row["helper"], row["run"]["mean_ms"]) for row in rows] == [("slow", 5000.0), ("quick", 1000.0)]


def test_only_what_is_asked_for_counts(statistics: Statistics, fill: Fill) -> None:
    for helper, queue in (("sync/a", "high"), ("sync/b", "low"), ("mail", "low")):
        fill([ended(NOW - HOUR, helper, queue=queue)])

    def helpers(which: Which) -> list[str]:
        return sorted(row["helper"] for row in statistics.helpers(Wish(which=which))["helpers"])

    assert helpers(Which(helper="sync")) == ["sync/a", "sync/b"]
    assert helpers(Which(helper="sync/b")) == ["sync/b"]
    assert helpers(Which(queue="low")) == ["mail", "sync/b"]
    assert helpers(Which(helper="sync", queue="low")) == ["sync/b"]
    assert helpers(Which(helpers={"mail", "sync/a"})) == ["mail", "sync/a"]
    assert helpers(Which(helper="sync", helpers={"mail"})) == []
    assert helpers(Which(queues={"high"})) == ["sync/a"]


def test_queues_have_their_own_figures(statistics: Statistics, fill: Fill) -> None:
    fill([ended(NOW - HOUR, queue="high", waited_ms=1) for _ in range(3)])
    fill([ended(NOW - HOUR, queue="low", waited_ms=5000)])

    rows = statistics.queues(Wish())["queues"]

    assert [(row["queue"], row["executions"]) for row in rows] == [("high", 3), ("low", 1)]
    assert rows[1]["wait"]["p95_ms"] == pytest.approx(5000, rel=0.05)


def test_series_has_a_step_for_each_day_and_zeros_in_gaps(statistics: Statistics, fill: Fill) -> None:
    fill([ended(datetime(2026, 11, 24, 0, 0, tzinfo=UTC)), ended(datetime(2026, 11, 26, 23, 59, tzinfo=UTC))])

    found = statistics.series(Wish(since=datetime(2026, 11, 24, 5, tzinfo=UTC)), times=True)

    assert found["start"] == [f"2026-11-{day}T00:00:00Z" for day in (24, 25, 26, 27)]
    assert found["executions"] == found["success"] == [1, 0, 1, 0]
    assert found["run_mean_ms"] == [100.0, None, 100.0, None]
    assert len({len(values) for values in found.values() if isinstance(values, list)}) == 1


def test_series_by_hour_begins_and_ends_with_whole_hours(statistics: Statistics, fill: Fill) -> None:
    fill([ended(NOW)])

    found = statistics.series(Wish(since=NOW - 2 * HOUR), by="hour")

    assert found["start"] == [f"2026-11-27T{hour}:00:00Z" for hour in (13, 14, 15)]
    assert found["executions"] == [0, 0, 1]


def test_sum_of_any_span_is_that_of_its_hours(statistics: Statistics, fill: Fill) -> None:
    """Weeks, days and hours are put together without a gap, and nothing counts twice."""
    start = datetime(2026, 10, 1, 0, 30, tzinfo=UTC)
    fill([ended(start + i * 5 * HOUR) for i in range(270)])

    for days, length in ((0, 1), (1, 6), (3, 25), (9, 40), (2, 52)):
        since = start + timedelta(days=days, hours=7, minutes=-30)
        wish = Wish(since, since + timedelta(days=length, hours=3))
        assert statistics.summary(wish)["now"]["executions"] == sum(statistics.series(wish, by="hour")["executions"])


def test_hours_of_the_week_are_those_of_a_zone(statistics: Statistics, fill: Fill) -> None:
    # Before and after Berlin's change on 25 October: 9:00 there is 7:00 and then 8:00 UTC.
    fill([ended(datetime(2026, 10, 19, 7, tzinfo=UTC)), ended(datetime(2026, 10, 26, 8, tzinfo=UTC))])

    found = statistics.hours(Wish(since=datetime(2026, 10, 1, tzinfo=UTC)), timezone="Europe/Berlin")

    assert found["busiest"] == [{"weekday": "monday", "hour": 9, "executions": 2}]
    assert found["counts"][0][9] == 2


def test_span_that_ends_before_it_begins_is_refused(statistics: Statistics) -> None:
    with pytest.raises(UsageError, match="no length"):
        statistics.summary(Wish(since=NOW, until=NOW - HOUR))


def test_series_of_too_many_steps_is_refused(statistics: Statistics) -> None:
    with pytest.raises(UsageError, match="10000 at most"):
        statistics.series(Wish(since=NOW - timedelta(days=600)), by="hour")


def test_unknown_order_and_zone_are_refused(statistics: Statistics) -> None:
    with pytest.raises(UsageError, match="busiest, failing"):
        statistics.helpers(Wish(), order="largest")
    with pytest.raises(UsageError, match="Europe/Berlin"):
        statistics.hours(Wish(), timezone="Berlin")


def test_hub_without_an_archive_says_what_to_do() -> None:
    with pytest.raises(NotFound, match="db upgrade"):
        Statistics(lambda: None, lambda: NOW).summary(Wish())


@pytest.mark.parametrize("number", [2**62, 1e308, float("nan"), float("inf"), "7", True, None, [1]])
def test_totals_that_no_sum_can_hold_dont_stop_the_archiver(fill: Fill, database: Database, number: object) -> None:
    """Three results of 2**62 made a sum that JSON doesn't hold, and the same batch failed for ever."""
    for _ in range(3):
        fill([ended(NOW, result={"totals": {"odd": number, "good": 2, "name" * 200: 1}})])

    with database.read() as connection:
        sums = RollupReader(connection).totals([Stretch("day", 0, epoch_ms(NOW) + DAY_MS)], Which())["sync"]

    assert sums["good"] == 6
    assert "odd" not in sums
    assert max(map(len, sums)) == 200


def test_sum_of_large_whole_numbers_is_nearly_right(fill: Fill, database: Database) -> None:
    for _ in range(20):
        fill([ended(NOW, result={"totals": {"bytes": 10**15}})])

    with database.read() as connection:
        sums = RollupReader(connection).totals([Stretch("week", 0, epoch_ms(NOW) + DAY_MS)], Which())["sync"]

    assert sums["bytes"] == pytest.approx(2 * 10**16)


@pytest.mark.parametrize("name", ["\0", "a\0b/c", "\udce4", "", "/", "x" * 5000])
def test_name_that_no_database_holds_is_nobodys(statistics: Statistics, fill: Fill, name: str) -> None:
    fill([ended(NOW - HOUR)])

    assert statistics.helpers(Wish(which=Which(helper=name)))["helpers"] == []
    assert statistics.queues(Wish(which=Which(queue=name)))["queues"] == []
