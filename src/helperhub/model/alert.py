"""Alerts: the closed set of rules, what a rule sees, and an alert's life from firing to resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any

from helperhub.model.duration import format_duration
from helperhub.model.instant import from_ms, to_rfc3339

#: What an alert is about where it is about no helper, queue or machine.
HUB = "hub"
_LONGEST_TEXT = 400


class AlertRule(StrEnum):
    """What is watched."""

    DEPTH = "queue_depth"
    FAILURES = "failures"
    DEAD_LETTERS = "dead_letters"
    ABSENT = "helper_absent"
    LATE = "late"
    LONG = "long"
    NEAR_LIMIT = "near_limit"
    WORKER_LOST = "worker_lost"
    NO_WORKER = "no_worker"
    SCHEDULER_LOST = "scheduler_lost"
    ARCHIVE_LAG = "archive_lag"
    MEMORY = "redis_memory"


class Severity(StrEnum):
    """How much of a hurry it is: what is critical may pass quiet hours."""

    WARNING = "warning"
    CRITICAL = "critical"


class Unit(StrEnum):
    """What a rule's threshold counts."""

    COUNT = "count"
    SECONDS = "seconds"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What is known of a rule before anybody sets it.

    Args:
        unit: What its threshold counts; it fires above that.
        severity: Of its alerts.
        subjects: Kinds of subjects that may have a threshold of their own.
        about: One line for people.
    """

    unit: Unit
    severity: Severity
    subjects: tuple[str, ...]
    about: str


_OF_HELPERS, _OF_QUEUES = ("helper",), ("queue",)
RULES: Mapping[AlertRule, RuleFacts] = {
    AlertRule.DEPTH: RuleFacts(
        Unit.COUNT, Severity.WARNING, _OF_QUEUES, "Executions of a queue that could start and wait."
    ),
    AlertRule.FAILURES: RuleFacts(
        Unit.COUNT, Severity.WARNING, ("helper", HUB), "Executions given up in the window, of a helper or of all."
    ),
    AlertRule.DEAD_LETTERS: RuleFacts(
        Unit.COUNT, Severity.WARNING, _OF_HELPERS, "Dead letters of the window that nobody has cleared."
    ),
    AlertRule.ABSENT: RuleFacts(
        Unit.SECONDS, Severity.WARNING, _OF_HELPERS, "How long after a due time a success may be missing."
    ),
    AlertRule.LATE: RuleFacts(
        Unit.SECONDS,
        Severity.WARNING,
        ("helper", "queue"),
        "How late a due time may be enqueued, and the first of a queue start.",
    ),
    AlertRule.LONG: RuleFacts(Unit.SECONDS, Severity.WARNING, _OF_HELPERS, "How long an attempt may run."),
    AlertRule.NEAR_LIMIT: RuleFacts(
        Unit.SHARE, Severity.WARNING, _OF_HELPERS, "How much of its time limit an attempt may take."
    ),
    AlertRule.WORKER_LOST: RuleFacts(
        Unit.COUNT, Severity.WARNING, (), "Worker processes of a machine that died within 10 minutes."
    ),
    AlertRule.NO_WORKER: RuleFacts(
        Unit.SECONDS, Severity.CRITICAL, (), "How long work may wait while no worker process claims."
    ),
    AlertRule.SCHEDULER_LOST: RuleFacts(
        Unit.COUNT, Severity.CRITICAL, (), "Schedulers of a machine that fell silent within 10 minutes."
    ),
    AlertRule.ARCHIVE_LAG: RuleFacts(Unit.SECONDS, Severity.WARNING, (), "How far the archive may be behind."),
    AlertRule.MEMORY: RuleFacts(Unit.SHARE, Severity.CRITICAL, (), "How much of its maxmemory Redis may use."),
}


@dataclass(frozen=True, slots=True)
class Observation:
    """A rule holds for a subject.

    Args:
        rule: The rule.
        subject: ``helper:<helper[/instance]>``, ``queue:<queue>``, ``worker:<host>``, ``scheduler:<host>``,
            ``redis:<shard>`` or ``hub``.
        value: What was seen, in the rule's unit.
        threshold: What it is above.
        text: One line for people.
    """

    rule: AlertRule
    subject: str
    value: float
    threshold: float
    text: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; times are epoch ms of Redis's clock, 0 where there is none.

    Args:
        id: Its id.
        rule: The rule that it is of.
        subject: What it is about; of each rule and subject one fires at a time.
        value: What was seen last.
        threshold: What that was above.
        text: One line for people.
        since_ms: When it began to fire.
        at_ms: When it was written last.
        gone_ms: Since when its cause isn't there any more; it is resolved when that has lasted.
        resolved_ms: When it was resolved.
        told_ms: When people were told of it.
        reminded_ms: When they were told again.
        escalated_ms: When the second targets were told.
        resolved_told_ms: When people were told that it is resolved.
        acked_ms: When somebody took it on.
        acked_by: Who.
        note: What he said.
    """

    id: str
    rule: AlertRule
    subject: str
    value: float
    threshold: float
    text: str
    since_ms: int
    at_ms: int = 0
    gone_ms: int = 0
    resolved_ms: int = 0
    told_ms: int = 0
    reminded_ms: int = 0
    escalated_ms: int = 0
    resolved_told_ms: int = 0
    acked_ms: int = 0
    acked_by: str = ""
    note: str = ""

    @property
    def firing(self) -> bool:
        """Whether it isn't resolved."""
        return not self.resolved_ms

    @property
    def severity(self) -> Severity:
        """Its rule's severity."""
        return RULES[self.rule].severity

    @property
    def state(self) -> str:
        """``firing``, ``acknowledged`` or ``resolved``."""
        return "resolved" if self.resolved_ms else "acknowledged" if self.acked_ms else "firing"

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {
            "id": self.id,
            "rule": self.rule.value,
            "subject": self.subject,
            "severity": self.severity.value,
            "state": self.state,
            "text": self.text,
            "value": self.value,
            "threshold": self.threshold,
            "unit": RULES[self.rule].unit.value,
            "since": _time(self.since_ms),
            "told_at": _time(self.told_ms),
            "escalated_at": _time(self.escalated_ms),
            "acknowledged_at": _time(self.acked_ms),
            "acknowledged_by": self.acked_by or None,
            "note": self.note,
            "resolved_at": _time(self.resolved_ms),
        }

    def to_kept(self) -> dict[str, Any]:
        """Return what Redis keeps."""
        return asdict(self)


_FIELDS = frozenset(one.name for one in fields(Alert))


def alert_from_kept(kept: Mapping[str, Any]) -> Alert:
    """Return an alert from what `Alert.to_kept` returned; what a newer release added is left out.

    Raises:
        ValueError: It is of a rule that this release doesn't have.
        TypeError: Something is missing.
    """
    known = {name: value for name, value in kept.items() if name in _FIELDS}
    return Alert(**{**known, "rule": AlertRule(kept.get("rule", ""))})


def show_value(unit: Unit, value: float) -> str:
    """Return a value for people: ``12``, ``1m30s`` or ``85 %``."""
    match unit:
        case Unit.COUNT:
            return f"{value:g}"
        case Unit.SECONDS:
            whole = timedelta(seconds=round(value)) if value >= 10 else timedelta(milliseconds=round(value * 1000))
            return format_duration(whole)
        case Unit.SHARE:
            return f"{100 * value:.0f} %"


def shorten(text: str) -> str:
    """Return a text for an alert: one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"


def _time(at_ms: int) -> str | None:
    return to_rfc3339(from_ms(at_ms)) if at_ms else None
