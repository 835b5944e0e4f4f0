"""What the settings of alerts come to: thresholds by rule, and how people want to be told."""

from __future__ import annotations

from datetime import timedelta

from helperhub.model.alert import AlertRule
from helperhub.model.quiet_hours import QuietHours, parse_quiet_span
from helperhub.services.alert_life import Policy
from helperhub.settings.model import Settings


def list_thresholds(settings: Settings) -> dict[AlertRule, float | None]:
    """Return what each rule fires above, in its unit; None is never."""
    found = {}
    for rule in AlertRule:
        value = getattr(settings.alerts, rule.value)
        plain = value.total_seconds() if isinstance(value, timedelta) else value
        found[rule] = None if plain is None or rule.value in settings.alerts.off else float(plain)
    return found


def build_policy(settings: Settings) -> Policy:
    """Return how people want to be told."""
    given = settings.alerts
    return Policy(
        hub=settings.hub,
        quiet=QuietHours(tuple(map(parse_quiet_span, given.quiet)), given.quiet_zone or settings.timezone),
        critical_passes=given.quiet_but_critical,
        calm=given.calm,
        group_for=given.group_for,
        escalate_after=given.escalate_after or None,
        remind_every=given.remind_every or None,
        keep=given.keep,
    )
