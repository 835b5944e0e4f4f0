"""Check-ins and transactions for Sentry, put together here and not by the SDK: they hold what stands here, and no more.

The SDK's own thread sends them. Nothing waits for it, and what Sentry can't take in time is dropped there.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from helperhub.model.helper import HelperSpec, split_key
from helperhub.model.identity import parse_planned_id
from helperhub.telemetry.monitors import Monitor, MonitorRules

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

CheckInStatus = Literal["in_progress", "ok", "error"]


@dataclass(frozen=True, slots=True)
class CheckIns:
    """Tells Sentry's monitors of scheduled executions; does nothing unless Sentry was started.

    All check-ins of one execution have one id that follows from the execution's: whoever tells its end, and however
    often, ends the one that began it.

    Args:
        rules: What all monitors have in common.
        spec_of: What holds for a helper or instance; None for one that the catalogue doesn't have.
    """

    rules: MonitorRules
    spec_of: Callable[[str], HelperSpec | None]

    def send(self, execution_id: str, status: CheckInStatus, *, duration: timedelta | None = None) -> bool:
        """Tell how a scheduled execution stands; return whether there was something to tell.

        Args:
            execution_id: Anybody's; one that isn't a planned time's has no monitor.
            status: Sentry has these three.
            duration: How long it ran.
        """
        planned = parse_planned_id(execution_id)
        client = _active_client()
        if planned is None or client is None:
            return False
        spec = self.spec_of(planned.helper)
        if spec is None:
            return False
        monitor = self.rules.monitor(spec, planned.schedule)
        document: dict[str, Any] = {
            "check_in_id": hashlib.blake2b(execution_id.encode(), digest_size=16, person=b"check-in").hexdigest(),
            "monitor_slug": monitor.slug,
            "status": status,
            "release": client.options["release"],
            "environment": client.options["environment"],
        }
        if duration is not None:
            document["duration"] = round(duration.total_seconds(), 3)
        if monitor.config is not None:
            document["monitor_config"] = monitor.config
        envelope = _new_envelope()
        envelope.add_checkin(document)
        client.transport.capture_envelope(envelope)
        return True

    def monitors(self, helper: str) -> list[Monitor]:
        """Return the monitors of a helper's schedules."""
        spec = self.spec_of(helper)
        return [self.rules.monitor(spec, name) for name in spec.schedules] if spec else []


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a helper's function, as a transaction tells it.

    Args:
        execution_id: The execution.
        helper: ``helper[/instance]``.
        queue: Its queue.
        attempt: Counted from 1.
        outcome: The verdict's.
        failed: Whether it counts as failed.
        ran: How long it ran.
        waited: From its due time to its start.
    """

    execution_id: str
    helper: str
    queue: str
    attempt: int
    outcome: str
    failed: bool
    ran: timedelta
    waited: timedelta


def send_transaction(attempt: Attempt, *, sample_rate: float, now: datetime | None = None) -> bool:
    """Send one attempt as a transaction named by its helper, by chance; return whether it was sent.

    Args:
        attempt: What to tell.
        sample_rate: 0.0 to 1.0, the share that is sent.
        now: When it ended; None is now.
    """
    client = _active_client()
    if client is None or random.random() >= sample_rate:  # noqa: S311 - a sample, not a secret
        return False
    end = now or datetime.now(UTC)
    id_ = f"{random.getrandbits(128):032x}"
    name, instance = split_key(attempt.helper)
    trace = {
        "trace_id": id_,
        "span_id": id_[:16],
        "op": "queue.process",
        "status": "internal_error" if attempt.failed else "ok",
        "data": {
            "messaging.message.id": attempt.execution_id,
            "messaging.destination.name": attempt.queue,
            "messaging.message.receive.latency": round(attempt.waited.total_seconds() * 1000),
            "messaging.message.retry.count": attempt.attempt - 1,
        },
    }
    tags = {"helper": name, "queue": attempt.queue, "outcome": attempt.outcome, "execution_id": attempt.execution_id}
    document = {
        "type": "transaction",
        "event_id": id_,
        "transaction": attempt.helper,
        "transaction_info": {"source": "task"},
        "platform": "python",
        "release": client.options["release"],
        "environment": client.options["environment"],
        "start_timestamp": (end - attempt.ran).timestamp(),
        "timestamp": end.timestamp(),
        "contexts": {"trace": trace},
        "tags": tags | ({"instance": instance} if instance else {}),
        "spans": [],
    }
    envelope = _new_envelope({"event_id": id_})
    envelope.add_transaction(document)  # type: ignore[arg-type]  # Sentry's own type wants a dict of its making
    client.transport.capture_envelope(envelope)
    return True


def _active_client() -> Any:
    """Return the SDK's client, or None; not imported here, so that without a DSN nothing of it is ever loaded."""
    sdk = sys.modules.get("sentry_sdk")
    client = sdk.get_client() if sdk else None
    return client if client is not None and client.is_active() and client.transport is not None else None


def _new_envelope(headers: dict[str, Any] | None = None) -> Envelope:
    from sentry_sdk.envelope import Envelope  # noqa: PLC0415 - only where Sentry was started

    return Envelope(headers={**(headers or {}), "sent_at": datetime.now(UTC).isoformat().replace("+00:00", "Z")})
