"""Alerts as Redis holds them: the alerts, what is to be told, and thresholds that people changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

import orjson

from helperhub.model.alert import Alert, alert_from_kept
from helperhub.store.connection import store_errors
from helperhub.store.scripts import Scripts

#: The field of the hash of alerts that says which writing it is of; no id looks like it.
_VERSION = b"version"


@dataclass(frozen=True, slots=True)
class Kept:
    """All alerts at one moment.

    Args:
        version: Changes with every writing.
        alerts: By id; those that can't be read are left out.
    """

    version: str = ""
    alerts: Mapping[str, Alert] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alerts:
    """The three hashes, in shard 0 only.

    Args:
        scripts: Shard 0's.
    """

    scripts: Scripts
    #: What was read last, at most one: with thousands of alerts only what changed is worth a look.
    _last: list[Kept] = field(default_factory=list, compare=False, repr=False)

    def read(self) -> Kept:
        """Return all alerts; where none was written since the last time, those read then."""
        key = self.scripts.keys.at("alerts")
        with store_errors():
            version = (self.scripts.client.hget(key, _VERSION) or b"").decode()
            for last in self._last:
                if last.version == version:
                    return last
            found = self.scripts.client.hgetall(key)
        version = found.pop(_VERSION, b"").decode()
        alerts = {id_.decode(): alert for id_, raw in found.items() if (alert := _parse(raw)) is not None}
        kept = Kept(version, alerts)
        self._last[:] = [kept]
        return kept

    def write(
        self,
        version: str,
        *,
        changed: Iterable[Alert] = (),
        dropped: Iterable[str] = (),
        notices: Mapping[str, str] | None = None,
    ) -> bool:
        """Write alerts and what is to be told of them, in one; False if they aren't what `read` found any more.

        Args:
            version: Of what was read.
            changed: Written.
            dropped: Ids that are taken out.
            notices: What is to be told, signed, by id.
        """
        rows = [(alert.id, orjson.dumps(alert.to_kept()).decode()) for alert in changed]
        rows += [(id_, "") for id_ in dropped]
        return self.scripts.write_alerts(version, token_hex(8), rows, list((notices or {}).items()))

    def notices(self) -> dict[str, bytes]:
        """Return what is to be told, signed, by id."""
        with store_errors():
            found = self.scripts.client.hgetall(self.scripts.keys.at("notices"))
        return {id_.decode(): bytes(raw) for id_, raw in found.items()}

    def swap_notice(self, id_: str, before: bytes, after: str) -> bool:
        """Replace what is to be told, '' takes it out; False if it isn't ``before`` any more."""
        return self.scripts.swap_entry("notices", id_, before, after.encode())

    def thresholds(self) -> dict[str, float | None]:
        """Return the thresholds that people changed, by rule or by ``rule subject``; None is never."""
        with store_errors():
            found = self.scripts.client.hgetall(self.scripts.keys.at("alertrules"))
        return {key.decode(): None if raw == b"off" else float(raw) for key, raw in found.items() if _is_value(raw)}

    def set_threshold(self, key: str, value: float | None) -> None:
        """Change one."""
        with store_errors():
            self.scripts.client.hset(self.scripts.keys.at("alertrules"), key, "off" if value is None else repr(value))

    def reset_threshold(self, key: str) -> bool:
        """Take a change back; False if there was none."""
        with store_errors():
            return bool(self.scripts.client.hdel(self.scripts.keys.at("alertrules"), key))


def _is_value(raw: bytes) -> bool:
    try:
        return raw == b"off" or float(raw) >= 0
    except ValueError:
        return False


def _parse(raw: bytes) -> Alert | None:
    """Return an alert; None for one that can't be read, or is of a rule that a newer release has."""
    try:
        return alert_from_kept(orjson.loads(raw))
    except (ValueError, TypeError, AttributeError):
        return None


__all__ = ["Alerts", "Kept"]
