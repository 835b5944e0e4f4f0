"""One look at the hub after the other: what fires, what is over, and who is told; any number of schedulers may look."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from helperhub.model.alert import Alert, AlertRule
from helperhub.services.alert_facts import Watcher
from helperhub.services.alert_life import Policy, step
from helperhub.services.alert_relay import Relay
from helperhub.services.alert_rules import Thresholds, decide_alerts
from helperhub.store.alerts import Alerts

_log = logging.getLogger("helperhub.alerts")
#: Told in the log one by one; a wave of thousands would drown it.
_MOST_LOGGED = 20


@dataclass(frozen=True, slots=True)
class AlertWatch:
    """Looks, decides, writes, hands on.

    Args:
        store: Where alerts are kept.
        watcher: Gathers facts.
        defaults: What each rule fires above, by the settings.
        policy: How people want to be told.
        relay: Hands notifications on.
    """

    store: Alerts
    watcher: Watcher
    defaults: Mapping[AlertRule, float | None]
    policy: Policy
    relay: Relay

    def turn(self) -> int:
        """Look once; return how many alerts changed.

        What changes is written together with what is to be told of it, unless another scheduler wrote meanwhile: then
        that one's counts, and the next turn sees it. What was written is handed on by whoever comes first, so a
        scheduler that dies in between costs a turn and no notification.

        Raises:
            StoreError: Redis can't be asked.
        """
        thresholds = Thresholds(self.defaults, self.store.thresholds())
        now_ms, facts = self.watcher.look(thresholds)
        kept = self.store.read()
        observed = decide_alerts(facts, thresholds)
        found = step(kept.alerts.values(), observed, self.policy, now_ms=now_ms, is_open=facts.is_open)
        changed = 0
        if not found.is_empty:
            notices = dict(self.relay.write(notification) for notification in found.notifications)
            if self.store.write(kept.version, changed=found.changed, dropped=found.dropped, notices=notices):
                changed = len(found.changed)
                _tell_log(kept.alerts, [*found.changed])
        self.relay.hand_on(now_ms=now_ms, by_workers=facts.workers > 0)
        return changed


def _tell_log(before: Mapping[str, Alert], changed: list[Alert]) -> None:
    new = [alert for alert in changed if alert.id not in before]
    over = [alert for alert in changed if alert.resolved_ms and alert.id in before and before[alert.id].firing]
    for alert in new[:_MOST_LOGGED]:
        _log.warning("alert_firing", extra=_fields(alert))
    for alert in over[:_MOST_LOGGED]:
        _log.info("alert_resolved", extra=_fields(alert))


def _fields(alert: Alert) -> dict[str, str]:
    return {"alert": alert.id, "rule": alert.rule.value, "subject": alert.subject, "text": alert.text}


__all__ = ["AlertWatch"]
