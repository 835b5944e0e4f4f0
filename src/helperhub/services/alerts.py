"""Alerts as people handle them: seen, taken on, and above what they fire changed at run time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from helperhub.errors import Conflict, NotFound, UsageError
from helperhub.model.alert import HUB, RULES, Alert, AlertRule, RuleFacts, Unit, show_value
from helperhub.model.duration import parse_duration
from helperhub.model.instant import epoch_ms
from helperhub.services.alert_life import Policy, build_test
from helperhub.services.alert_relay import Relay
from helperhub.services.alert_rules import key_of
from helperhub.services.audit import Audit, acting
from helperhub.store.alerts import Alerts as Store

_TRIES = 20
_LONGEST_NOTE = 500
_NAME = re.compile(r"[!-~]{1,200}")
#: The largest threshold, in each unit.
MOST = {Unit.COUNT: 1_000_000_000, Unit.SECONDS: 31_622_400, Unit.SHARE: 1}
#: What switches a rule off, as people write it.
OFF = "off"


@dataclass(frozen=True, slots=True)
class Alerts:
    """Use cases around alerts.

    Args:
        store: Where they are kept.
        audit: Where changes are noted.
        defaults: What each rule fires above, by the settings.
        policy: How people want to be told.
        relay: Writes what is to be told.
        check_helper: Raises NotFound for a helper that there isn't.
        now: Redis TIME.
    """

    store: Store
    audit: Audit
    defaults: Mapping[AlertRule, float | None]
    policy: Policy
    relay: Callable[[], Relay]
    check_helper: Callable[[str], object]
    now: Callable[[], datetime]

    def all(self, *, resolved: bool = False) -> list[dict[str, Any]]:
        """Return those that fire as documents, newest first, and the resolved ones too if wanted."""
        found = [alert for alert in self.store.read().alerts.values() if resolved or alert.firing]
        # Ids made later sort later.
        found.sort(key=lambda one: one.id, reverse=True)
        return [alert.to_document() for alert in found]

    def show(self, alert_id: str) -> dict[str, Any]:
        """Return one as a document.

        Raises:
            NotFound: There is none of that id.
        """
        return self._find(self.store.read().alerts, alert_id).to_document()

    def acknowledge(self, alert_id: str, *, note: str = "") -> dict[str, Any]:
        """Take one on: nobody is reminded of it, and it isn't escalated; return its document.

        Acknowledging one twice leaves the first name.

        Raises:
            NotFound: There is none of that id.
            Conflict: It is resolved.
            UsageError: The note is too long.
        """
        if len(note) > _LONGEST_NOTE:
            message = f"The note has {len(note)} characters, {_LONGEST_NOTE} are allowed."
            raise UsageError(message)
        now_ms, who = epoch_ms(self.now()), acting()
        for _ in range(_TRIES):
            kept = self.store.read()
            alert = self._find(kept.alerts, alert_id)
            if alert.resolved_ms:
                message = f"Alert {alert_id} is resolved: there is nothing to take on."
                raise Conflict(message, hint="'helperhub alerts list' shows those that fire.")
            if alert.acked_ms:
                return alert.to_document()
            by = who.note or who.name
            after = replace(alert, acked_ms=now_ms, acked_by=by, note=note, at_ms=now_ms)
            if self.store.write(kept.version, changed=[after]):
                self.audit.note(
                    "alert.acknowledge",
                    alert_id,
                    after={"rule": alert.rule.value, "subject": alert.subject},
                    reason=note,
                )
                return after.to_document()
        message = "The alerts kept changing."
        raise Conflict(message, hint="Try again.")

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule as a document, with what people changed."""
        overrides = self.store.thresholds()
        return [self._rule(rule, overrides) for rule in AlertRule]

    def set(self, rule: str, value: float | None, *, subject: str = "") -> dict[str, Any]:
        """Let a rule fire above ``value`` from now on; return its document.

        Args:
            rule: Its name.
            value: In its unit, see `parse_threshold`; None is never.
            subject: Only for this, such as ``helper:weather``; empty means for all that have none of their own.

        Raises:
            NotFound: There is no such rule or helper.
            UsageError: The rule doesn't know that kind of subject, or the value is out of range.
        """
        found = find_rule(rule)
        self._check_subject(found, subject)
        _check_value(found, value)
        before = self.store.thresholds()
        key = key_of(found, subject)
        self.store.set_threshold(key, value)
        self.audit.note(
            "alert.set-rule",
            key,
            before={"threshold": before.get(key)} if key in before else None,
            after={"threshold": value},
        )
        return self._rule(found, self.store.thresholds())

    def reset(self, rule: str, *, subject: str = "") -> dict[str, Any]:
        """Let the setting hold again; return the rule's document.

        Raises:
            NotFound: There is no such rule.
        """
        found = find_rule(rule)
        key = key_of(found, subject)
        before = self.store.thresholds()
        if self.store.reset_threshold(key):
            self.audit.note("alert.reset-rule", key, before={"threshold": before.get(key)})
        return self._rule(found, self.store.thresholds())

    def test(self) -> str:
        """Have a notification sent to all targets of the schedulers; return its id.

        Raises:
            ConfigurationError: There is no key to sign with.
            StoreError: Redis can't take it.
        """
        id_, text = self.relay().write(build_test(self.policy, now_ms=epoch_ms(self.now())))
        for _ in range(_TRIES):
            if self.store.write(self.store.read().version, notices={id_: text}):
                self.audit.note("alert.test", id_)
                return id_
        message = "The alerts kept changing."
        raise Conflict(message, hint="Try again.")

    def firing(self) -> dict[AlertRule, int]:
        """Return how many fire, by rule."""
        alerts = self.store.read().alerts.values()
        return {rule: sum(alert.firing and alert.rule is rule for alert in alerts) for rule in AlertRule}

    @staticmethod
    def _find(alerts: Mapping[str, Alert], alert_id: str) -> Alert:
        found = alerts.get(alert_id)
        if found is None:
            raise unknown_alert(alert_id)
        return found

    def _check_subject(self, rule: AlertRule, subject: str) -> None:
        kind, _, name = subject.partition(":")
        if not subject:
            return
        kinds = RULES[rule].subjects
        fits = kind in kinds and (not name if kind == HUB else _NAME.fullmatch(name))
        if not fits:
            said = ", ".join(one if one == HUB else f"{one}:NAME" for one in kinds) or "none"
            message = f"Rule '{rule.value}' has no threshold for '{subject[:80]}'."
            raise UsageError(message, hint=f"It takes: {said}.")
        if kind == "helper":
            self.check_helper(name)

    def _rule(self, rule: AlertRule, overrides: Mapping[str, float | None]) -> dict[str, Any]:
        facts, default = RULES[rule], self.defaults[rule]
        key = key_of(rule)
        own = {text.partition(" ")[2]: value for text, value in overrides.items() if text.startswith(f"{key} ")}
        return {
            "rule": rule.value,
            "about": facts.about,
            "severity": facts.severity.value,
            "unit": facts.unit.value,
            "threshold": overrides.get(key, default),
            "setting": default,
            "shown": _show(facts, overrides.get(key, default)),
            "subjects": [
                {"subject": subject, "threshold": value, "shown": _show(facts, value)}
                for subject, value in sorted(own.items())
            ],
        }


def find_rule(name: str) -> AlertRule:
    """Return the rule of that name.

    Raises:
        NotFound: There is none.
    """
    try:
        return AlertRule(name)
    except ValueError as error:
        message = f"'{name[:80]}' is no rule."
        raise NotFound(message, hint=f"There are: {', '.join(AlertRule)}.") from error


def parse_threshold(rule: AlertRule, text: str) -> float | None:
    """Return the threshold that people write: ``20``, ``90s``, ``0.8`` or ``80%``, ``off``.

    Raises:
        UsageError: It isn't one.
    """
    if text.strip().lower() == OFF:
        return None
    unit = RULES[rule].unit
    if unit is Unit.SECONDS:
        return parse_duration(text).total_seconds()
    number, percent = (text.strip().removesuffix("%"), 100) if unit is Unit.SHARE and "%" in text else (text, 1)
    try:
        value = float(number) / percent
    except ValueError as error:
        hint = "Write a whole number." if unit is Unit.COUNT else "Write 0.8 or 80%."
        message = f"'{text[:80]}' can't be a threshold of '{rule.value}'."
        raise UsageError(message, hint=f"{hint} 'off' switches it off.") from error
    _check_value(rule, value)
    return value


def _check_value(rule: AlertRule, value: float | None) -> None:
    if value is None:
        return
    unit = RULES[rule].unit
    if not math.isfinite(value) or not 0 <= value <= MOST[unit] or (unit is Unit.COUNT and value != int(value)):
        what = {Unit.COUNT: "a whole number up to 1e9", Unit.SECONDS: "up to 366 days", Unit.SHARE: "0 to 1"}[unit]
        message = f"{value:g} can't be a threshold of '{rule.value}'."
        raise UsageError(message, hint=f"Take {what}.")


def _show(facts: RuleFacts, value: float | None) -> str:
    return OFF if value is None else show_value(facts.unit, value)


def unknown_alert(alert_id: str) -> NotFound:
    """Return the error for an id that no alert has."""
    message = f"There is no alert '{alert_id[:40]}'."
    return NotFound(message, hint="'helperhub alerts list --all' shows those there are.")


__all__ = ["Alerts", "find_rule", "parse_threshold", "unknown_alert"]
