"""Execution ids: planned ones name their planned time, others sort by time, callers' are checked."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import UsageError
from helperhub.model.identity import PlannedId, check_caller_id, new_execution_id, parse_planned_id

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)
SECONDS = st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31)).map(  # noqa: DTZ001 - made aware below
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("helper", "schedule", "text"),
    [
        ("weather", "", "weather@20261123T083000Z"),
        ("weather/berlin", "", "weather/berlin@20261123T083000Z"),
        ("weather", "digest", "weather#digest@20261123T083000Z"),
        ("weather/berlin", "digest", "weather/berlin#digest@20261123T083000Z"),
    ],
)
def test_planned_id_names_helper_schedule_and_utc_second(helper: str, schedule: str, text: str) -> None:
    planned = PlannedId(helper, schedule, datetime(2026, 11, 23, 8, 30, tzinfo=UTC))

    assert str(planned) == text
    assert parse_planned_id(text) == planned


def test_planned_id_is_the_same_whatever_zone_its_moment_was_given_in() -> None:
    moment = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)

    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert str(PlannedId("a", "", elsewhere)) == str(PlannedId("a", "", moment))


@given(helper=NAMES, instance=st.none() | NAMES, schedule=st.just("") | NAMES, at=SECONDS)
def test_planned_id_reads_back(helper: str, instance: str | None, schedule: str, at: datetime) -> None:
    planned = PlannedId(helper if instance is None else f"{helper}/{instance}", schedule, at)

    assert parse_planned_id(str(planned)) == planned


@pytest.mark.parametrize("text", ["", "weather", "weather@", "weather@2026", "weather@20261123T083000", "01h9z"])
def test_anything_else_is_no_planned_id(text: str) -> None:
    assert parse_planned_id(text) is None


def test_new_ids_sort_by_the_millisecond_they_were_made_in() -> None:
    ids = []
    for _ in range(20):
        ids.append(new_execution_id())
        moment = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == moment:
            pass

    assert ids == sorted(ids)
    assert {len(id_) for id_ in ids} == {22}


def test_new_ids_are_unique_within_a_millisecond() -> None:
    assert len({new_execution_id() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("text", ["a", "order:7", "x" * 200, "{curly}", "a@b"])
def test_callers_id_of_printable_characters_is_taken(text: str) -> None:
    assert check_caller_id(text) == text


@pytest.mark.parametrize("text", ["", "x" * 201, "a b", "a\n", "é", "weather@20261123T083000Z"])
def test_callers_id_that_cant_be_one_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        check_caller_id(text)
