"""An alert's life with a clock passed in: told once, grouped, quiet at night, escalated, reminded of, resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from helperhub.model.alert import Alert, AlertRule, Observation, alert_from_kept
from helperhub.model.instant import epoch_ms
from helperhub.model.quiet_hours import QuietHours, parse_quiet_span
from helperhub.services.alert_life import MOST_OF_A_RULE, Kind, Policy, Step, build_test, step

DEPTH, ABSENT, MEMORY = AlertRule.DEPTH, AlertRule.ABSENT, AlertRule.MEMORY
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
POLICY = Policy("main", calm=timedelta(seconds=30), group_for=timedelta(seconds=5))


def seen(subject: str = "queue:a", rule: AlertRule = DEPTH, value: float = 101) -> Observation:
    return Observation(rule, subject, value, 100, f"{subject} {value}")


@dataclass
class Life:
    """All alerts of a hub, and the time."""

    policy: Policy = POLICY
    now: datetime = NOON
    alerts: dict[str, Alert] = field(default_factory=dict)

    def look(
        self, *observed: Observation, after_s: float = 2.0, unseen: Iterable[AlertRule] = ()
    ) -> list[tuple[str, int]]:
        """Go on by ``after_s``, look, and return what is told: kind and number of alerts."""
        self.now += timedelta(seconds=after_s)
        found = self.step(*observed, unseen=unseen)
        for alert in found.changed:
            # As it comes back out of Redis.
            self.alerts[alert.id] = alert_from_kept(alert.to_kept())
        for id_ in found.dropped:
            del self.alerts[id_]
        return [(one.kind.value, len(one.alerts)) for one in found.notifications]

    def step(self, *observed: Observation, unseen: Iterable[AlertRule] = ()) -> Step:
        return step(
            self.alerts.values(),
            observed,
            self.policy,
            now_ms=epoch_ms(self.now),
            is_open=lambda rule, _: rule in unseen,
        )

    def acknowledge(self) -> None:
        for alert in self.alerts.values():
            self.alerts[alert.id] = replace(alert, acked_ms=epoch_ms(self.now), acked_by="me")

    @property
    def states(self) -> list[str]:
        return [alert.state for alert in self.alerts.values()]


def test_what_goes_on_is_told_once_and_nothing_is_written_meanwhile() -> None:
    life = Life()

    assert life.look(seen()) == [("firing", 1)]
    assert life.step(seen()).is_empty
    assert [life.look(seen()) for _ in range(5)] == [[]] * 5
    assert life.states == ["firing"]


def test_value_that_changes_is_written_now_and_then() -> None:
    life = Life()
    life.look(seen())

    life.look(seen(value=150))
    assert [alert.value for alert in life.alerts.values()] == [101]
    life.look(seen(value=160), after_s=30)
    assert [(alert.value, alert.text) for alert in life.alerts.values()] == [(160, "queue:a 160")]


def test_end_is_told_when_it_has_lasted_and_what_flickers_stays_one_alert() -> None:
    life = Life()
    life.look(seen())

    assert life.look() == []
    assert life.look(after_s=20) == []
    assert life.look(seen()) == []
    assert life.look() == []
    assert life.look(after_s=29) == []
    assert life.look(after_s=1) == [("resolved", 1)]
    assert life.states == ["resolved"]
    assert life.look() == []


def test_cause_that_comes_again_after_its_end_is_a_new_alert() -> None:
    life = Life(replace(POLICY, calm=timedelta(0)))
    life.look(seen())
    life.look(after_s=10)

    assert life.look(seen(), after_s=10) == [("firing", 1)]
    assert sorted(life.states) == ["firing", "resolved"]


def test_what_cannot_be_seen_stays_as_it_is() -> None:
    life = Life(replace(POLICY, calm=timedelta(0)))
    life.look(seen())

    assert life.look(after_s=3600, unseen=[DEPTH]) == []
    assert life.states == ["firing"]


def test_many_of_one_rule_are_one_message_and_other_rules_have_their_own() -> None:
    many = [seen(f"queue:{number}") for number in range(70)]
    life = Life()

    assert life.look(*many, seen("helper:x", ABSENT)) == [("firing", 70), ("firing", 1)]


def test_wave_is_told_at_once_and_its_rest_together_within_ten_seconds() -> None:
    life = Life()

    assert life.look(seen("queue:1")) == [("firing", 1)]
    assert life.look(seen("queue:1"), seen("queue:2")) == []
    assert life.look(seen("queue:1"), seen("queue:2"), seen("queue:3")) == []
    assert life.look(seen("queue:1"), seen("queue:2"), seen("queue:3")) == [("firing", 2)]


def test_notification_names_fifty_and_says_how_many_more() -> None:
    life = Life()
    found = life.step(*(seen(f"queue:{number:02}") for number in range(70)))

    data = found.notifications[0].to_document()["data"]
    assert (data["count"], len(data["alerts"])) == (70, 50)
    assert "And 20 more." in data["text"]
    assert data["title"] == "[HelperHub main] firing: queue_depth: 70 at once"


def test_what_nobody_acknowledged_is_escalated_once_and_its_end_told_to_both() -> None:
    life = Life(replace(POLICY, escalate_after=timedelta(minutes=15)))
    life.look(seen())

    assert life.look(seen(), after_s=15 * 60 - 1) == []
    life.now += timedelta(seconds=1)
    escalated = life.step(seen()).notifications[0]
    assert (escalated.kind, escalated.first, escalated.second) == (Kind.ESCALATED, False, True)
    assert life.look(seen(), after_s=0) == [("escalated", 1)]
    assert life.look(seen(), after_s=3600) == []
    life.look()
    life.now += timedelta(seconds=30)
    over = life.step().notifications[0]
    assert (over.kind, over.first, over.second) == (Kind.RESOLVED, True, True)


def test_acknowledged_alert_is_neither_escalated_nor_reminded_of_but_its_end_is_told() -> None:
    life = Life(replace(POLICY, escalate_after=timedelta(minutes=1), remind_every=timedelta(minutes=1)))
    life.look(seen())
    life.acknowledge()

    assert life.look(seen(), after_s=7200) == []
    assert life.look() == []
    assert life.look(after_s=30) == [("resolved", 1)]


def test_alert_that_is_acknowledged_before_it_is_told_is_not_told() -> None:
    life = Life(replace(POLICY, quiet=QuietHours((parse_quiet_span("00:00-00:00"),))))
    life.look(seen())
    life.acknowledge()
    life.policy = POLICY

    assert life.look(seen()) == []


def test_reminders_come_at_their_interval() -> None:
    life = Life(replace(POLICY, remind_every=timedelta(hours=4)))
    life.look(seen())

    assert life.look(seen(), after_s=4 * 3600 - 1) == []
    assert life.look(seen(), after_s=1) == [("reminder", 1)]
    assert life.look(seen(), after_s=3600) == []
    assert life.look(seen(), after_s=3 * 3600) == [("reminder", 1)]


def test_quiet_hours_hold_back_what_is_told_afterwards_if_it_still_fires() -> None:
    # 22:00 to 07:00 in Berlin is 21:00 to 06:00 UTC in winter.
    quiet = QuietHours((parse_quiet_span("22:00-07:00"),), "Europe/Berlin")
    life = Life(replace(POLICY, quiet=quiet), now=datetime(2026, 11, 28, 21, tzinfo=UTC))
    gone, stays = seen("queue:gone"), seen("queue:stays")

    assert life.look(gone, stays) == []
    assert life.look(stays) == []
    assert life.look(stays, after_s=60) == []
    life.now = datetime(2026, 11, 29, 5, 59, 50, tzinfo=UTC)
    assert life.look(stays) == []
    assert life.look(stays, after_s=10) == [("firing", 1)]
    assert sorted(life.states) == ["firing", "resolved"]


def test_critical_alerts_pass_quiet_hours_unless_they_are_not_to() -> None:
    quiet = replace(POLICY, quiet=QuietHours((parse_quiet_span("00:00-00:00"),)))

    assert Life(quiet).look(seen("redis:0", MEMORY), seen()) == [("firing", 1)]
    assert Life(replace(quiet, critical_passes=False)).look(seen("redis:0", MEMORY)) == []


def test_end_in_quiet_hours_is_told_afterwards() -> None:
    life = Life(replace(POLICY, calm=timedelta(0)))
    life.look(seen())
    life.policy = replace(life.policy, quiet=QuietHours((parse_quiet_span("00:00-00:00"),)))
    assert life.look() == []
    life.policy = replace(life.policy, quiet=QuietHours())

    assert life.look() == [("resolved", 1)]


def test_resolved_alerts_are_forgotten_after_a_while() -> None:
    life = Life(replace(POLICY, calm=timedelta(0)))
    life.look(seen())
    life.look()

    life.look(after_s=7 * 86400 - 10)
    assert life.states == ["resolved"]
    life.look(after_s=20)
    assert life.states == []


def test_ten_thousand_that_come_and_go_leave_a_bounded_list() -> None:
    life = Life(replace(POLICY, calm=timedelta(0), group_for=timedelta(0)))
    for wave in range(5):
        life.look(*(seen(f"queue:{wave}-{number}") for number in range(500)))
        life.look()
    life.look()

    assert len(life.alerts) == 1000


def test_of_a_rule_so_many_fire_and_those_that_do_stay_when_more_come() -> None:
    late = [seen(f"queue:z{number}") for number in range(MOST_OF_A_RULE)]
    early = [seen(f"queue:a{number}") for number in range(500)]
    life = Life(replace(POLICY, calm=timedelta(0)))

    assert life.look(*late) == [("firing", MOST_OF_A_RULE)]
    assert life.look(*early, *late, after_s=60) == []
    # As soon as there is room the others have their turn.
    assert life.look(*early, *late[:600], after_s=60) == [("firing", 400), ("resolved", 400)]


def test_notification_that_tries_the_way_goes_to_all() -> None:
    found = build_test(POLICY, now_ms=epoch_ms(NOON))

    assert (found.first, found.second) == (True, True)
    assert found.to_document()["type"] == "alert.test"


@pytest.mark.parametrize(
    ("span", "zone", "at", "quiet"),
    [
        ("22:00-07:00", "UTC", "2026-11-28T22:00", True),
        ("22:00-07:00", "UTC", "2026-11-28T21:59", False),
        ("22:00-07:00", "UTC", "2026-11-28T06:59", True),
        ("22:00-07:00", "UTC", "2026-11-28T07:00", False),
        # A Saturday; the span that begins on Friday ends on it.
        ("fri 22:00-07:00", "UTC", "2026-11-28T06:00", True),
        ("fri 22:00-07:00", "UTC", "2026-11-28T22:00", False),
        ("sat-sun 00:00-00:00", "UTC", "2026-11-29T23:59", True),
        ("sat-sun 00:00-00:00", "UTC", "2026-11-30T00:00", False),
        ("sat-mon 12:00-13:00", "UTC", "2026-11-30T12:30", True),
        ("12:00-13:00", "America/New_York", "2026-11-28T17:30", True),
        # The day that the clocks go back: 02:30 comes twice, and is quiet both times.
        ("02:00-03:00", "Europe/Berlin", "2026-10-25T00:30", True),
        ("02:00-03:00", "Europe/Berlin", "2026-10-25T01:30", True),
        ("02:00-03:00", "Europe/Berlin", "2026-10-25T02:30", False),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(span: str, zone: str, at: str, *, quiet: bool) -> None:
    hours = QuietHours((parse_quiet_span(span),), zone)

    assert hours.has(datetime.fromisoformat(at).replace(tzinfo=UTC)) is quiet
