"""An alert's life, decided from what is: what fires, is resolved, and whom to tell. Pure; `now` is an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from helperhub.model.alert import RULES, Alert, AlertRule, Observation, Severity
from helperhub.model.duration import to_ms
from helperhub.model.identity import new_execution_id
from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.model.quiet_hours import QuietHours

#: A notification names so many alerts; it says how many more there are.
MOST_NAMED = 50
#: A value that changes is written this often: every scheduler would write every time else.
_REFRESH_MS = 30_000
_MOST_RESOLVED = 1000
#: Of a rule so many fire at most: where there are more they have one cause, which these tell as well.
MOST_OF_A_RULE = 1000


class Kind(StrEnum):
    """What a notification is."""

    FIRING = "firing"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Policy:
    """How people want to be told.

    Args:
        hub: The hub's name.
        quiet: When only what is critical may disturb.
        critical_passes: Whether it may.
        calm: How long a cause must be gone before its alert is resolved.
        group_for: What one rule finds within this is told together.
        escalate_after: When the second targets are told of what nobody took on; None is never.
        remind_every: When people are told again of what nobody took on; None is never.
        keep: How long resolved alerts are kept.
    """

    hub: str
    quiet: QuietHours = field(default_factory=QuietHours)
    critical_passes: bool = True
    calm: timedelta = timedelta(seconds=30)
    group_for: timedelta = timedelta(seconds=5)
    escalate_after: timedelta | None = None
    remind_every: timedelta | None = None
    keep: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Notification:
    """What is told in one message.

    Args:
        id: Its id.
        kind: What it is.
        rule: The rule of its alerts; None for a test.
        alerts: What it is about.
        first: Whether the first targets get it.
        second: Whether the second ones do.
        at_ms: When it was made.
        hub: The hub's name.
    """

    id: str
    kind: Kind
    rule: AlertRule | None
    alerts: Sequence[Alert]
    first: bool
    second: bool
    at_ms: int
    hub: str

    def to_document(self) -> dict[str, Any]:
        """Return what targets get."""
        named = [alert.to_document() for alert in self.alerts[:MOST_NAMED]]
        severity = RULES[self.rule].severity.value if self.rule else Severity.WARNING.value
        return {
            "type": f"alert.{self.kind.value}",
            "timestamp": to_rfc3339(from_ms(self.at_ms)),
            "data": {
                "id": self.id,
                "hub": self.hub,
                "rule": self.rule.value if self.rule else None,
                "severity": severity,
                "title": self._title(),
                "text": self._text(),
                "count": len(self.alerts),
                "alerts": named,
            },
        }

    def _title(self) -> str:
        count = len(self.alerts)
        what = self.rule.value if self.rule else "a message to try the way"
        if self.rule and count == 1:
            what = f"{what}: {self.alerts[0].subject}"
        elif self.rule:
            what = f"{what}: {count} at once"
        return f"[HelperHub {self.hub}] {self.kind.value}: {what}"

    def _text(self) -> str:
        lines = [alert.text for alert in self.alerts[:MOST_NAMED]]
        if len(self.alerts) > MOST_NAMED:
            lines.append(f"And {len(self.alerts) - MOST_NAMED} more.")
        if self.kind in (Kind.FIRING, Kind.REMINDER, Kind.ESCALATED):
            ids = " ".join(alert.id for alert in self.alerts[:5])
            lines += ["", "See them:     helperhub alerts list", f"Take them on: helperhub alerts ack {ids}"]
        return "\n".join(lines) or "Alerts reach you this way."


@dataclass(frozen=True, slots=True)
class Step:
    """What one look at the facts leads to.

    Args:
        changed: Alerts as they are from now on.
        dropped: Ids of alerts that are forgotten.
        notifications: What is to be told.
    """

    changed: Sequence[Alert]
    dropped: Sequence[str]
    notifications: Sequence[Notification]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written."""
        return not (self.changed or self.dropped or self.notifications)


def step(
    alerts: Iterable[Alert],
    observed: Iterable[Observation],
    policy: Policy,
    *,
    now_ms: int,
    is_open: Callable[[AlertRule, str], bool] = lambda _rule, _subject: False,
) -> Step:
    """Return what follows from what holds now.

    Args:
        alerts: All that are known, resolved ones too.
        observed: What holds.
        policy: How people want to be told.
        now_ms: Redis TIME.
        is_open: Whether it isn't known if a rule holds for a subject: its alert stays as it is.
    """
    before = {alert.id: alert for alert in alerts}
    after = dict(before)
    seen = {(one.rule, one.subject): one for one in observed}
    for alert in before.values():
        if alert.firing:
            found = seen.pop((alert.rule, alert.subject), None)
            after[alert.id] = _go_on(alert, found, policy, now_ms, is_open)
    room = dict.fromkeys(AlertRule, MOST_OF_A_RULE)
    for alert in after.values():
        room[alert.rule] -= alert.firing
    for one in seen.values():
        if room[one.rule] <= 0:
            continue
        room[one.rule] -= 1
        id_ = new_execution_id()
        after[id_] = Alert(id_, one.rule, one.subject, one.value, one.threshold, one.text, now_ms, now_ms)
    notifications = _tell(after, policy, now_ms)
    dropped = _to_drop(after.values(), policy, now_ms)
    changed = [alert for id_, alert in after.items() if id_ not in dropped and before.get(id_) != alert]
    return Step(changed, sorted(dropped & before.keys()), notifications)


def _go_on(
    alert: Alert,
    found: Observation | None,
    policy: Policy,
    now_ms: int,
    is_open: Callable[[AlertRule, str], bool],
) -> Alert:
    """Return a firing alert as it is now."""
    if found is not None:
        stale = now_ms - alert.at_ms >= _REFRESH_MS and (found.value, found.text) != (alert.value, alert.text)
        if alert.gone_ms or stale:
            return replace(
                alert, value=found.value, threshold=found.threshold, text=found.text, gone_ms=0, at_ms=now_ms
            )
        return alert
    if is_open(alert.rule, alert.subject):
        return alert
    gone_ms = alert.gone_ms or now_ms
    if now_ms - gone_ms >= to_ms(policy.calm):
        return replace(alert, gone_ms=gone_ms, resolved_ms=now_ms, at_ms=now_ms)
    return alert if alert.gone_ms else replace(alert, gone_ms=now_ms, at_ms=now_ms)


def _tell(alerts: dict[str, Alert], policy: Policy, now_ms: int) -> list[Notification]:
    """Return what is to be told, and note in ``alerts`` that it is."""
    quiet = policy.quiet.has(from_ms(now_ms))
    found = []
    for rule in AlertRule:
        own = [alert for alert in alerts.values() if alert.rule is rule]
        if quiet and not (policy.critical_passes and RULES[rule].severity is Severity.CRITICAL):
            continue
        for kind in (Kind.FIRING, Kind.ESCALATED, Kind.REMINDER, Kind.RESOLVED):
            due = _due(kind, own, policy, now_ms)
            if not due:
                continue
            found.append(_notification(kind, rule, due, policy, now_ms))
            alerts.update({alert.id: _told(alert, kind, now_ms) for alert in due})
            own = [alerts[alert.id] for alert in own]
    return found


def _due(kind: Kind, own: Sequence[Alert], policy: Policy, now_ms: int) -> list[Alert]:
    """Return the alerts of a rule that are to be told of now in a notification of ``kind``."""
    group_ms = to_ms(policy.group_for)
    if kind is Kind.FIRING:
        # What was gone again before anybody heard of it needn't be told.
        due = [one for one in own if one.firing and not (one.told_ms or one.acked_ms or one.gone_ms)]
        return due if _is_apart(now_ms, group_ms, (one.told_ms for one in own)) else []
    if kind is Kind.RESOLVED:
        due = [one for one in own if one.resolved_ms and one.told_ms and not one.resolved_told_ms]
        return due if _is_apart(now_ms, group_ms, (one.resolved_told_ms for one in own)) else []
    waiting = [one for one in own if one.firing and one.told_ms and not (one.acked_ms or one.gone_ms)]
    if kind is Kind.ESCALATED:
        after = policy.escalate_after
        due_ms = None if after is None else to_ms(after)
        return [
            one for one in waiting if due_ms is not None and not one.escalated_ms and now_ms - one.told_ms >= due_ms
        ]
    every = policy.remind_every
    every_ms = None if every is None else to_ms(every)
    return [one for one in waiting if every_ms is not None and now_ms - _heard_ms(one) >= every_ms]


def _heard_ms(alert: Alert) -> int:
    return max(alert.told_ms, alert.reminded_ms, alert.escalated_ms)


def _is_apart(now_ms: int, group_ms: int, told: Iterable[int]) -> bool:
    """Return whether the last time is long enough ago; what comes meanwhile is told together."""
    return now_ms - max(told, default=0) >= group_ms


def _told(alert: Alert, kind: Kind, now_ms: int) -> Alert:
    change: Mapping[Kind, dict[str, int]] = {
        Kind.FIRING: {"told_ms": now_ms},
        Kind.ESCALATED: {"escalated_ms": now_ms},
        Kind.REMINDER: {"reminded_ms": now_ms},
        Kind.RESOLVED: {"resolved_told_ms": now_ms},
    }
    return replace(alert, at_ms=now_ms, **change[kind])  # type: ignore[arg-type]


def _notification(kind: Kind, rule: AlertRule, due: Sequence[Alert], policy: Policy, now_ms: int) -> Notification:
    second = kind is Kind.ESCALATED or (kind is not Kind.FIRING and any(one.escalated_ms for one in due))
    ordered = sorted(due, key=lambda one: (one.since_ms, one.subject))
    return Notification(new_execution_id(), kind, rule, ordered, kind is not Kind.ESCALATED, second, now_ms, policy.hub)


def _to_drop(alerts: Iterable[Alert], policy: Policy, now_ms: int) -> set[str]:
    """Return the ids of resolved alerts that need no longer be kept."""
    over = [one for one in alerts if one.resolved_ms and (one.resolved_told_ms or not one.told_ms)]
    newest = sorted(over, key=lambda one: one.resolved_ms, reverse=True)
    old = {one.id for one in over if now_ms - one.resolved_ms > to_ms(policy.keep)}
    return old | {one.id for one in newest[_MOST_RESOLVED:]}


def build_test(policy: Policy, *, now_ms: int) -> Notification:
    """Return a notification that tries the way to all targets."""
    return Notification(new_execution_id(), Kind.TEST, None, (), first=True, second=True, at_ms=now_ms, hub=policy.hub)
