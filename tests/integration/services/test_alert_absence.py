"""When a helper is absent: due, past its grace, without a success since, and nothing on its way to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from helperhub import Every, Hub
from helperhub.model.alert import AlertRule
from helperhub.model.helper import HelperSpec
from helperhub.model.identity import PlannedId
from helperhub.model.instant import from_ms
from helperhub.services.alert_absence import Absences, is_missing
from helperhub.services.alert_rules import Thresholds
from helperhub.store.catalogue import CatalogueRow
from helperhub.store.record import Record
from helperhub.store.scripts import Publication, Settlement
from helperhub.store.watching import Watching

HOUR_MS, GRACE_S = 3_600_000, 60.0
THRESHOLDS = Thresholds(dict.fromkeys(AlertRule, GRACE_S))
SPEC = HelperSpec("job", schedules={"": Every(timedelta(hours=1))})


@pytest.fixture
def now_ms(hub: Hub) -> int:
    return hub.scripts.due(limit=1).now_ms


def row(spec: HelperSpec = SPEC, *, enabled_ms: int = 0) -> dict[str, CatalogueRow]:
    return {spec.key: CatalogueRow(spec.key, spec, spec, None, f"1|0|{enabled_ms}")}


def build(hub: Hub, keep: timedelta = timedelta(days=1)) -> Absences:
    shards = [Watching(part.client, part.keys) for part in hub.scripts.each]
    return Absences(shards, "UTC", lambda _queue: keep)


def last_due(now_ms: int) -> int:
    """Return the last due time that is to be judged: on the hour, the grace past."""
    return (now_ms - int(GRACE_S * 1000)) // HOUR_MS * HOUR_MS


@pytest.fixture
def run(hub: Hub) -> Callable[..., None]:
    """Lets an execution of the helper end, or only begin."""
    hub.scripts.join("w", lease_ms=30_000, about={"queues": "default"})
    numbers = iter(range(1, 100))

    def run(id_: str, outcome: str = "") -> None:
        ((code, _),) = hub.scripts.publish([Publication(id_, Record(helper="job", body=b"\x01\x00"))])
        assert code == 1
        if outcome:
            number = next(numbers)
            hub.scripts.claim("w", ["default"], number=number, want=1, will_wait=False, waited=False)
            assert hub.scripts.settle("w", [Settlement(id_, number, outcome)]) == [True]

    return run


def test_without_any_execution_it_is_absent_and_by_a_success_it_is_not(
    hub: Hub, now_ms: int, run: Callable[..., None]
) -> None:
    absences, rows = build(hub), row()

    missing, unjudged = absences.look(rows, THRESHOLDS, now_ms=now_ms)
    assert missing == {"job": (now_ms - last_due(now_ms)) / 1000}
    assert unjudged == frozenset()

    run("by-hand", "done")
    assert absences.look(rows, THRESHOLDS, now_ms=now_ms + 5000)[0] == {}


def test_success_counts_as_long_as_no_later_due_time_has_passed_its_grace(
    hub: Hub, now_ms: int, run: Callable[..., None]
) -> None:
    run("by-hand", "done")
    absences, rows = build(hub), row()
    following = (now_ms // HOUR_MS + 1) * HOUR_MS + int(GRACE_S * 1000)

    assert absences.look(rows, THRESHOLDS, now_ms=following - 1)[0] == {}
    assert absences.look(rows, THRESHOLDS, now_ms=following)[0] == {"job": GRACE_S}


def test_one_that_is_at_it_is_not_absent_until_it_fails(hub: Hub, now_ms: int, run: Callable[..., None]) -> None:
    absences, rows = build(hub), row()
    planned = str(PlannedId("job", "", from_ms(last_due(now_ms))))
    run(planned)

    assert absences.look(rows, THRESHOLDS, now_ms=now_ms)[0] == {}
    hub.scripts.claim("w", ["default"], number=1, want=1, will_wait=False, waited=False)
    assert absences.look(rows, THRESHOLDS, now_ms=now_ms + 5000)[0] == {}
    hub.scripts.settle("w", [Settlement(planned, 1, "dead", reason="no")])
    assert list(absences.look(rows, THRESHOLDS, now_ms=now_ms + 10_000)[0]) == ["job"]


def test_due_time_from_before_it_was_enabled_is_not_its_own(hub: Hub, now_ms: int) -> None:
    assert build(hub).look(row(enabled_ms=now_ms), THRESHOLDS, now_ms=now_ms) == ({}, frozenset())


def test_due_time_older_than_the_history_is_not_judged(hub: Hub, now_ms: int) -> None:
    weekly = replace(SPEC, schedules={"": Every(timedelta(days=7))})

    # Successes are gone by now; so what was said of it before stands.
    assert build(hub).look(row(weekly), THRESHOLDS, now_ms=now_ms + 10 * 24 * HOUR_MS)[0] == {}
    short = build(hub, keep=timedelta(seconds=1))
    assert short.look(row(), THRESHOLDS, now_ms=now_ms) == ({}, frozenset({"job"}))


def test_helper_that_is_disabled_or_without_schedule_or_whose_rule_is_off_is_never_absent(
    hub: Hub, now_ms: int
) -> None:
    never = Thresholds(dict.fromkeys(AlertRule))

    assert build(hub).look(row(replace(SPEC, enabled=False)), THRESHOLDS, now_ms=now_ms) == ({}, frozenset())
    assert build(hub).look(row(replace(SPEC, schedules={})), THRESHOLDS, now_ms=now_ms) == ({}, frozenset())
    assert build(hub).look(row(), never, now_ms=now_ms) == ({}, frozenset())


def test_what_is_switched_off_while_it_is_absent_is_forgotten(hub: Hub, now_ms: int) -> None:
    absences = build(hub)
    assert absences.look(row(), THRESHOLDS, now_ms=now_ms)[0]

    assert absences.look(row(replace(SPEC, enabled=False)), THRESHOLDS, now_ms=now_ms + 10) == ({}, frozenset())


def test_thousands_are_judged_turn_by_turn_and_unknown_until_then(hub: Hub, now_ms: int) -> None:
    absences = build(hub)
    rows = {
        name: CatalogueRow(name, replace(SPEC, name=name), None, None, "1|0|0")
        for name in map("h{}".format, range(1000))
    }

    missing, unjudged = absences.look(rows, THRESHOLDS, now_ms=now_ms)
    assert (len(missing), len(unjudged)) == (600, 400)
    missing, unjudged = absences.look(rows, THRESHOLDS, now_ms=now_ms + 10)
    assert (len(missing), len(unjudged)) == (1000, 0)


@pytest.mark.parametrize(
    ("status", "reason", "missing"),
    [
        ("q", "", False),
        ("r", "", False),
        ("s", "", False),
        ("c", "by ops", False),
        ("e", "", True),
        ("x", "", True),
        ("k", "maintenance", False),
        ("k", "overlap: blocked by job@1", True),
        ("k", "missed; superseded by 20261123T083000Z", True),
    ],
)
def test_end_of_a_due_time_counts_as_missing_unless_a_person_wanted_it(
    status: str, reason: str, *, missing: bool
) -> None:
    assert is_missing(Record(helper="job", status=status, reason=reason)) is missing
    assert is_missing(None)
