"""Brings what is to be told from where it was written to its targets: by executions, or where none can run by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from helperhub.broker.broker import HelperHubBroker
from helperhub.errors import HelperHubError, StoreRefused, UntrustedRecord
from helperhub.model.notifier import Notifier
from helperhub.services.alert_delivery import ALERT_HELPER
from helperhub.services.alert_life import Notification
from helperhub.store.alerts import Alerts
from helperhub.store.scripts import Publication
from helperhub.trust.signing import Signatures

_log = logging.getLogger("helperhub.alerts")
_SIGNED_FOR = "notice"
#: Whoever tells by hand has so long for it before another one tries.
_HELD_MS = 30_000


@dataclass(frozen=True, slots=True)
class Relay:
    """Hands notifications on.

    Args:
        store: Where they were written.
        broker: Enqueues.
        signatures: Signs what is written: a scheduler signs executions of what it reads there.
        targets: The ways to tell that this process knows.
    """

    store: Alerts
    broker: HelperHubBroker
    signatures: Signatures
    targets: Callable[[], Sequence[Notifier]]

    def write(self, notification: Notification) -> tuple[str, str]:
        """Return id and signed text of what is to be told.

        Raises:
            ConfigurationError: There is no key to sign with.
        """
        content = {
            "first": notification.first,
            "second": notification.second,
            "event": notification.to_document(),
            "sent": [],
            "held_ms": 0,
        }
        return notification.id, self._sign(notification.id, content)

    def hand_on(self, *, now_ms: int, by_workers: bool) -> int:
        """Enqueue what is to be told, one execution a target; return how many notifications went on.

        Doing it twice changes nothing: an execution's id follows from its notification's. Where no worker process is
        there to run it, or Redis takes no new work, this process tells the targets itself.

        Args:
            now_ms: Redis TIME.
            by_workers: Whether there is a worker process.

        Raises:
            StoreError: Redis can't be asked.
        """
        done = 0
        for id_, raw in self.store.notices().items():
            content = self._read(id_, raw)
            if content is None:
                continue
            if by_workers and self._enqueue(id_, content):
                done += self.store.swap_notice(id_, raw, "")
            else:
                done += self._tell(id_, raw, content, now_ms)
        return done

    def _sign(self, id_: str, content: Mapping[str, Any]) -> str:
        # The id is part of what is signed, so that one can't stand for another.
        text = orjson.dumps({"id": id_, **content}).decode()
        return self.signatures.sign_text(_SIGNED_FOR, ALERT_HELPER, text)

    def _read(self, id_: str, raw: bytes) -> dict[str, Any] | None:
        why = "it stands under another one's id"
        try:
            content: dict[str, Any] = orjson.loads(self.signatures.check_text(_SIGNED_FOR, ALERT_HELPER, raw))
            if content["id"] == id_ and content["event"]["data"]:
                return content
        except (UntrustedRecord, ValueError, TypeError, LookupError) as error:
            why = str(error)
        _log.error("alert_untrusted", extra={"notification": id_, "error": why})
        self.store.swap_notice(id_, raw, "")
        return None

    def _wanted(self, content: Mapping[str, Any]) -> list[Notifier]:
        """Return the targets that are still to be told."""
        return [
            target
            for target in self.targets()
            if content["second" if target.second else "first"] and target.name not in content["sent"]
        ]

    def _enqueue(self, id_: str, content: Mapping[str, Any]) -> bool:
        """Enqueue an execution for each target; False if Redis takes no new work."""
        publications = [self._publication(id_, target.name, content["event"]) for target in self._wanted(content)]
        try:
            answers = self.broker.scripts.publish(publications) if publications else []
        except StoreRefused as error:
            _log.warning("alert_not_enqueued", extra={"notification": id_, "error": str(error)})
            return False
        for publication, (code, _) in zip(publications, answers, strict=True):
            if code < 0:
                why = f"'{publication.id}' is somebody else's, or this Redis user may not enqueue it"
                _log.error("alert_impossible", extra={"notification": id_, "error": why})
        return True

    def _publication(self, id_: str, target: str, event: Mapping[str, Any]) -> Publication:
        payload = {"to": target, "event": event}
        data = event["data"]
        about = {"notification": id_, "target": target, "rule": data["rule"], "type": event["type"]}
        message = self.broker.get_actor(ALERT_HELPER).message(payload)
        keyed = message.copy(message_id=f"alert:{id_}:{target}", options={"keyed": True, "metadata": about})
        made = self.broker.publication(keyed, extra_payload=len(orjson.dumps(payload)))
        # A full queue is one of the things that people are to be told.
        return replace(made, bound=0)

    def _tell(self, id_: str, raw: bytes, content: dict[str, Any], now_ms: int) -> bool:
        """Tell the targets here and now; False if another process is at it, or one of them didn't take it."""
        if now_ms - content["held_ms"] < _HELD_MS:
            return False
        held = self._sign(id_, {**content, "held_ms": now_ms})
        if not self.store.swap_notice(id_, raw, held):
            return False
        sent, missed = list(content["sent"]), False
        for target in self._wanted(content):
            try:
                target.send(content["event"])
            except HelperHubError as error:
                missed = True
                _log.warning("alert_not_sent", extra={"target": target.name, "error": str(error)})
            except Exception:  # noqa: BLE001 - a plugin's; the other targets are told all the same
                missed = True
                _log.exception("alert_target_failed", extra={"target": target.name})
            else:
                sent.append(target.name)
                _log.info("alert_sent_by_scheduler", extra={"notification": id_, "target": target.name})
        after = self._sign(id_, {**content, "sent": sent, "held_ms": now_ms}) if missed else ""
        return self.store.swap_notice(id_, held.encode(), after) and not missed


__all__ = ["Relay"]
